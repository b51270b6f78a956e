#!/usr/bin/env bash
# Process 1 of the emulated arm64 machine. The host shares at /mnt the project, pip.conf, a folder for results, and what is to
# be done, in arguments: none to set the lab up, else pytest's, one per line. At its end the machine is off.
set -uo pipefail
export PATH=/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 TERM=dumb
lab=/root/ebpf-lab

mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmpfs "$folder"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L wheels /wheels
ip link set lo up
mkdir -p $lab
cp -r /mnt/project/. $lab
cd $lab || exit

finish_unpacking() { # what the maintainer scripts of Debian's packages do, as far as the lab needs it; and pip's settings
  local file
  cp /mnt/pip.conf /etc
  for file in passwd group; do cp "/usr/share/base-passwd/$file.master" "/etc/$file"; done
  echo 127.0.0.1 localhost >/etc/hosts
  ln -s mawk /usr/bin/awk
  ldconfig
}

setup() {
  finish_unpacking
  ./lab setup || return
  .venv/bin/python -m pip install -q -c constraints.txt hypothesis nbval pytest pytest-timeout || return
  ./lab doctor
  # What the tests import is compiled once, here.
  .venv/bin/python -m pytest -q -p no:cacheprovider --collect-only tests/kernel notebooks/01_hello.ipynb >/dev/null
  echo "The lab is set up, $(cut -d. -f1 /proc/uptime) s after the machine was turned on"
  touch /mnt/results/setup
}

run_tests() { # pytest's arguments
  export LAB_RESULTS=/mnt/results LAB_EMULATED=1 LAB_PATIENCE=20 PYTHONDONTWRITEBYTECODE=1
  ./lab setup && .venv/bin/python -m pytest "$@"
}

mapfile -t arguments </mnt/arguments
if ((${#arguments[@]})); then run_tests "${arguments[@]}"; else setup; fi </dev/null 2>&1
mount -o remount,ro /
busybox poweroff -f
sleep infinity # A process 1 that ends is a panic.
