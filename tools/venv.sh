#!/bin/sh
# usage: tools/venv.sh FOLDER GROUP CONSTRAINTS PYTHON NEWEST
#
# Installs dependency group GROUP of pyproject.toml into the virtual environment FOLDER, in the versions of CONSTRAINTS.
# FOLDER/.GROUP says that it is there. A folder has such files only while it is whole: one that was killed half-way
# has none and is made anew. PYTHON must be 3.10 to 3.NEWEST.
set -eu
folder=$1 group=$2 constraints=$3 python=$4 newest=$5

fail() {
    echo "error: $*" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "no $python here. Install Python 3.10 to 3.$newest, or name one: make PYTHON=/path/to/python3"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest))" ||
    fail "$python is Python $version; the $group tools run on 3.10 to 3.$newest. Name another: make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"

whole=$(cd "$folder" 2>/dev/null && ls -d .demo .dev .bench .oldest .sdk 2>/dev/null || true)
for stamp in $whole; do
    mv "$folder/$stamp" "$folder/kept$stamp"
done
[ -n "$whole" ] || "$python" -m venv --clear "$folder"

echo "Installing the $group tools into $folder (once) ..."
# Compiling only what is imported, when it is, halves the time.
PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT
pip() {
    "$folder/bin/python" -m pip install -qq --no-compile -c "$constraints" "$@" ||
        fail "the $group tools could not be installed; pip says why above. It needs the package index it is set up for."
}
pip pip
pip --group "$group"

# Each keeps its time, by which make knows whether that group is older than the file that it comes from.
for stamp in $whole; do
    mv "$folder/kept$stamp" "$folder/$stamp"
done
touch "$folder/.$group"
