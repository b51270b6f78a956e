#!/usr/bin/env bash
# What the Vagrantfile and lima.yaml run in their virtual machines, as root, at every start: provision.sh FOLDER USER PORT ADDRESS.
# FOLDER is the project's, shared with the host; USER is who works in it; PORT is the lab's on the host; ADDRESS is where the
# server listens. ./lab setup does the work, as on any machine. Each step here does only what is missing, as the steps of ./lab do.
set -eEuo pipefail
folder=$1 user=$2 port=$3 address=$4
home=$(getent passwd "$user" | cut -d : -f 6)
state=/var/lib/ebpf-lab token=/var/lib/ebpf-lab/token
die() { # what failed, what to do
  printf '\nprovision: stopped: %s\nFix: %s\n' "$1" "$2" >&2
  exit 1
}
trap 'die "line $LINENO: $BASH_COMMAND" "see the output above, then start the machine again"' ERR
as_user() { sudo -Hu "$user" "$@"; }
cd "$folder"

as_user test -w . || die "the folder on the host belongs to uid $(stat -c %u .), and $user (uid $(id -u "$user")) can't write to it" \
  "on the host, in this folder: chmod -R o+rwX . ; or use a folder of that uid"

# A login shell starts in the project's folder.
# shellcheck disable=SC2016 # The login shell expands it.
printf '[ "$PWD" != %q ] || cd %q\n' "$home" "$folder" >/etc/profile.d/ebpf-lab.sh

# .venv is on the machine's own disk: a shared folder is slow and may support neither links nor file capabilities, and the
# host's .venv would be in the same place. The mount is not in fstab, because the folder may be mounted only after the boot.
install -d -o "$user" "$state/venv"
if ! mountpoint -q .venv; then
  as_user mkdir -p .venv
  mount --bind "$state/venv" .venv
fi

as_user ./lab setup

# A newer kernel would be installed without its headers. Debian and Ubuntu name the packages differently.
mapfile -t kernel < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-*' |
  sed -nE 's/^installed (linux-(image|headers|generic|virtual).*)/\1/p')
apt-mark hold "${kernel[@]}" >/dev/null

echo "==> A real program, with a notebook's capabilities"
mapfile -t python < <(.venv/bin/python -c '
import json
argv = json.load(open(".venv/share/jupyter/kernels/python3/kernel.json"))["argv"]
print(*argv[: argv.index("-m")], sep="\n")')
as_user "${python[@]}" - <<'PYTHON'
from ebpf_lab import BPF, attach, record, run

with BPF(text='int hello(void *ctx) { bpf_trace_printk("Hello World!"); return 0; }') as b:
    hook = attach(b, syscall="execve", fn_name="hello")
    assert hook.startswith("kprobe:"), hook
    with record(b) as lines:
        procs = run("/bin/true", times=23)
    assert set(procs.pids) <= set(lines.frame().pid), lines
print(f"{hook} saw all of {len(procs.pids)} processes")
PYTHON
as_user ./lab doctor

if [[ ! -s $token ]]; then
  install -o "$user" -m 0600 /dev/null "$token"
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$token"
fi
systemctl is-active -q ebpf-lab ||
  systemd-run --quiet --collect --unit=ebpf-lab --uid="$user" --working-directory="$folder" -p Restart=always -p RestartSec=2 \
    --setenv=JUPYTER_TOKEN_FILE="$token" "$folder/.venv/bin/jupyter" lab --no-browser --ServerApp.ip="$address" \
    --ServerApp.port=8888 --ServerApp.port_retries=0 --LabApp.default_url=/lab/tree/notebooks/01_hello.ipynb
SECONDS=0
until (: </dev/tcp/127.0.0.1/8888) 2>/dev/null; do
  ((SECONDS < 1800)) || die "the lab does not answer" "in the machine: journalctl -u ebpf-lab"
  sleep 1
done
printf '\n==> JupyterLab: open http://127.0.0.1:%s/lab/tree/notebooks/01_hello.ipynb?token=%s\n' "$port" "$(<"$token")"
