#!/bin/sh
# Run by deb.sh in a fresh Debian: installs the packages by install.sh, the documented command, uses and removes them.
set -eu
cd /vloss
export DEBIAN_FRONTEND=noninteractive
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/yes
sh install.sh >log 2>&1 || {
  cat log
  exit 1
}
cd /tmp # nothing of what follows may come from the folder

vloss-info --self-test
cc /vloss/minimal.c $(pkg-config --cflags --libs vloss) -o minimal
./minimal | grep '^mean loss 2.22179'
cc /vloss/minimal.c $(pkg-config --cflags --libs --static vloss | sed 's/-lvloss/-l:libvloss.a/') -o static
[ "$(./static)" = "$(./minimal)" ]
ldd ./static | grep libvloss && exit 1
cc -x c - $(pkg-config --cflags --libs vloss-openmp vloss) -o openmp <<'END'
#include <vloss/openmp.h>
int main(void) { return vloss_openmp_executor(2).threads != 2; }
END
./openmp

python3 /vloss/readme.py /vloss/README.md
python3 -c 'import numpy; numpy.save("logits.npy", numpy.array([[1, 2, 3], [0, 4, 0]], numpy.float32))'
python3 -c 'from importlib.metadata import version; import vloss; assert version("vloss") == vloss.__version__'
[ -e /usr/lib/python3/dist-packages/vloss/__pycache__ ] || {
  echo "FAIL: the modules were not compiled"
  exit 1
}
vloss-score logits.npy --top 1
for page in vloss-info vloss-score; do
  zcat /usr/share/man/man1/$page.1.gz | grep -q '^\.SH SYNOPSIS' || {
    echo "FAIL: no man page of $page, or none with a synopsis"
    exit 1
  }
done

apt-get purge libvloss0 vloss-tools 'libvloss*' python3-vloss >log 2>&1
left=$(find /usr /etc /var/lib/dpkg -name '*vloss*')
if [ -n "$left" ]; then
  echo "FAIL: left behind: $left"
  exit 1
fi
echo "ok: installed, used and removed"
