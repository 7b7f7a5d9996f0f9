#!/usr/bin/env bash
# Usage: e2e-chroot.sh DIR
#
# Makes a Debian 13 root directory with podman 5.4.2 and skopeo 1.18 in DIR, for the end-to-end tests. Does nothing when
# DIR already holds one. It comes from the mirror that this machine's apt uses. Needs root, debootstrap and about 330 MB.
set -euo pipefail

suite=trixie
packages=(podman skopeo crun)
# What DIR holds; when it is another, DIR is made again.
contents="$suite ${packages[*]}"
stamp=.layerproof-e2e

die() {
  echo "Cannot make the Debian 13 root: $*" >&2
  exit 1
}

[ $# -eq 1 ] || die "give one directory"
target=$(realpath -m -- "$1")
[ "$(cat "$target/$stamp" 2>/dev/null)" = "$contents" ] && exit 0
[ ! -e "$target" ] || [ -e "$target/$stamp" ] || die "$target exists and was not made by this script"
[ "$(id -u)" -eq 0 ] || die "not root"
command -v debootstrap >/dev/null || die "debootstrap is not installed (apt-get install debootstrap)"

# In a mount namespace of its own: what debootstrap and the packages mount goes away with this process, killed or not.
if [ "${LAYERPROOF_E2E_INSIDE:-}" != "$$" ]; then
  export LAYERPROOF_E2E_INSIDE=$$
  exec unshare --mount --propagation private "$0" "$target"
fi

mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
  sed -n 's/^Debian|Debian|//p' | head -n 1)
[ -n "$mirror" ] || die "apt has no Debian mirror (apt-get update?)"
proxy=$(apt-config shell proxy Acquire::http::Proxy)
eval "$proxy"
if [ -n "${proxy:-}" ]; then export http_proxy=$proxy; fi

# One at a time; what an interrupted run left goes away. Its children hold the lock as long as they live.
mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
[ "$(cat "$target/$stamp" 2>/dev/null)" = "$contents" ] && exit 0
rm -rf --one-file-system "$target".partial.*
partial=$(mktemp -d -- "$target.partial.XXXXXX")
log=$(mktemp)
end() {
  status=$?
  umount -R "$partial"/{proc,sys,dev} 2>/dev/null || true
  rm -rf --one-file-system "$partial"
  if [ "$status" -ne 0 ]; then
    tail -n 30 "$log" >&2
    echo "Cannot make the Debian 13 root $target: see above ($log)." >&2
  else
    rm -f "$log"
  fi
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

inside() {
  chroot "$partial" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

build() {
  debootstrap --variant=minbase "$suite" "$partial" "$mirror"
  # No services, no documentation.
  printf '#!/bin/sh\nexit 101\n' >"$partial/usr/sbin/policy-rc.d"
  chmod 755 "$partial/usr/sbin/policy-rc.d"
  printf 'path-exclude=/usr/share/%s/*\n' doc man locale info >"$partial/etc/dpkg/dpkg.cfg.d/small"
  cp -L /etc/resolv.conf "$partial/etc/resolv.conf"
  cp -L /etc/hosts "$partial/etc/hosts"
  inside apt-get install -y -q --no-install-recommends "${packages[@]}"
  inside apt-get clean
  rm -rf "$partial"/var/lib/apt/lists/* "$partial"/usr/share/{doc,man,locale,info}/*
  rm -f "$partial/etc/resolv.conf"
  echo "$contents" >"$partial/$stamp"
  chmod 755 "$partial"
}
build >"$log" 2>&1 </dev/null

rm -rf --one-file-system "$target"
mv -T -- "$partial" "$target"
