def work(state: dict) -> dict:
    return state
