#!/usr/bin/env bash
# What the Vagrantfile runs in its virtual machine, as root, at every `vagrant up`; $1 is the port on the host.
# ./lab setup does the work, as on any machine. Each step here does only what is missing, as the steps of ./lab do.
set -eEuo pipefail
die() { # what failed, what to do
  printf '\nprovision: stopped: %s\nFix: %s\n' "$1" "$2" >&2
  exit 1
}
trap 'die "line $LINENO: $BASH_COMMAND" "see the output above, then: vagrant provision"' ERR
cd /vagrant
token=/home/vagrant/.ebpf-lab-token

sudo -u vagrant test -w . || die "the folder on the host belongs to uid $(stat -c %u .), and vagrant (uid $(id -u vagrant)) can't write to it" \
  "on the host, in this folder: chmod -R o+rwX . ; or use a folder of that uid"

# `vagrant ssh` starts in the project's folder.
# shellcheck disable=SC2016 # The login shell expands it.
echo '[ "$PWD" != /home/vagrant ] || cd /vagrant' >/etc/profile.d/ebpf-lab.sh

# .venv is on the machine's own disk: a synced folder may support neither links nor file capabilities, and the host's
# .venv would be in the same place. The mount is not in fstab, because Vagrant mounts /vagrant only after it has logged in.
install -d -o vagrant -g vagrant /var/lib/ebpf-lab/venv
if ! mountpoint -q .venv; then
  sudo -u vagrant mkdir -p .venv
  mount --bind /var/lib/ebpf-lab/venv .venv
fi

sudo -Hu vagrant ./lab setup
[[ -e /sys/kernel/kheaders.tar.xz || -e /lib/modules/$(uname -r)/build/include/generated/autoconf.h ]] ||
  die "no package here brings the headers of this kernel, $(uname -r)" "choose a newer version of the box: LAB_BOX_VERSION, then vagrant destroy and up"

# A newer kernel would be installed without its headers. Debian and Ubuntu name the packages differently.
mapfile -t kernel < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-*' |
  sed -nE 's/^installed (linux-(image|headers|generic|virtual).*)/\1/p')
apt-mark hold "${kernel[@]}" >/dev/null

echo "==> A real program, with a notebook's capabilities"
mapfile -t python < <(.venv/bin/python -c '
import json
print(*json.load(open(".venv/share/jupyter/kernels/python3/kernel.json"))["argv"][:-4], sep="\n")')
sudo -Hu vagrant "${python[@]}" - <<'PYTHON'
from ebpf_lab import BPF, attach, record, run

with BPF(text='int hello(void *ctx) { bpf_trace_printk("Hello World!"); return 0; }') as b:
    hook = attach(b, syscall="execve", fn_name="hello")
    assert hook.startswith("kprobe:"), hook
    with record(b) as lines:
        procs = run("/bin/true", times=23)
    assert set(procs.pids) <= set(lines.frame().pid), lines
print(f"{hook} saw all of {len(procs.pids)} processes")
PYTHON
sudo -Hu vagrant ./lab doctor

# The server listens on the machine's address, because forwarded ports arrive there. Vagrant forwards from the host's
# 127.0.0.1 only. With libvirt, other users of the host reach this address too; they lack the token that is made here.
if [[ ! -s $token ]]; then
  install -o vagrant -m 0600 /dev/null "$token"
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$token"
fi
systemctl is-active -q ebpf-lab ||
  systemd-run --quiet --collect --unit=ebpf-lab --uid=vagrant --working-directory=/vagrant -p Restart=always -p RestartSec=2 \
    --setenv=JUPYTER_TOKEN_FILE="$token" /vagrant/.venv/bin/jupyter lab --no-browser --ServerApp.ip=0.0.0.0 \
    --ServerApp.port=8888 --ServerApp.port_retries=0 --LabApp.default_url=/lab/tree/notebooks/01_hello.ipynb
SECONDS=0
until (: </dev/tcp/127.0.0.1/8888) 2>/dev/null; do
  ((SECONDS < 1800)) || die "the lab does not answer" "vagrant ssh -c 'journalctl -u ebpf-lab'"
  sleep 1
done
printf '\n==> JupyterLab: open http://127.0.0.1:%s/lab/tree/notebooks/01_hello.ipynb?token=%s\n' "$1" "$(<"$token")"
