def work(state: dict) -> dict:
    return state


def review(state: dict) -> dict:
    return state
