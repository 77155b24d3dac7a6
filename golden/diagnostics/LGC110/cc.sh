# A C compiler that compiles nothing.
[ "$1" = --version ] && exit 0
echo "cc.sh: error: out of memory"
exit 1
