#!/usr/bin/env bash
# Inside the other kernel, as its root: makes a place to work, and runs pytest there.
# Arguments: the project's folder, root or a user's id, then pytest's arguments.
set -euo pipefail
project=$1 user=$2
shift 2

# This machine's files came as a 9p mount that asks the host at each look; one that keeps what it has read is
# twice as fast, and nobody changes them meanwhile.
tag=$(awk '$2 == "/run/host" {print $1}' /proc/mounts)
umount /run/host
mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=512000,cache=loose "$tag" /run/host
mount -t bpf bpf /sys/fs/bpf
for folder in dev proc run sys; do mount --rbind "/$folder" "/run/host/$folder"; done
mkdir -p /run/project /run/over/tmp /run/over/work # /tmp can be written to; the project, which may lie there, cannot
mount --bind "/run/host$project" /run/project
mount -t overlay -o lowerdir=/run/host/tmp,upperdir=/run/over/tmp,workdir=/run/over/work tmp /run/host/tmp
mount --bind /run/project "/run/host$project"
chmod 1777 /run/host/tmp

# For a kernel without headers of its own, the lab merges those of another one in .venv (ebpf_lab/kernel/headers.py).
mkdir -p /run/over/share /run/over/share-work
mkdir -m 1777 /run/over/share/headers
share=/run/host$project/.venv/share/ebpf-lab
mount -t overlay -o "lowerdir=$share,upperdir=/run/over/share,workdir=/run/over/share-work" share "$share"

become=()
if [[ $user != root ]]; then # with what ./lab gives an ordinary user's notebooks
  caps=$(chroot /run/host "$project/lab" --capabilities)
  become=(setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps "$caps" --ambient-caps "$caps" --)
fi
cp -r /run/results/home /run/home
chown -R "${user/root/0}" /run/home
export HOME=/run/home LAB_RESULTS=/run/home/results LAB_PATIENCE=20
export PYTHONDONTWRITEBYTECODE=1
failed=0
# shellcheck disable=SC2016 # expanded by that shell
chroot /run/host "${become[@]}" bash -c 'cd "$0" && exec .venv/bin/python -m pytest "$@"' "$project" "$@" || failed=$?
((failed > 1)) || cp "$LAB_RESULTS"/* /run/results # else pytest ran no tests, or didn't end
exit "$failed"
