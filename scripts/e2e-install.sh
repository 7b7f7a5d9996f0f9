#!/usr/bin/env bash
# The programs of Debian 12 that the end-to-end tests run: podman 4.3.1, skopeo, buildah and a registry. Installs what
# is missing and starts no service. Needs root. Says nothing when there is nothing to do.
set -euo pipefail

# Program and package have the same name but for these.
declare -A package_of=([getfattr]=attr)
packages=()
for program in podman skopeo buildah crun docker-registry zstd getfattr debootstrap; do
  command -v "$program" >/dev/null || packages+=("${package_of[$program]:-$program}")
done
[ "${#packages[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "Cannot install ${packages[*]}: not root. Install them, or run the tests without them." >&2
  exit 1
fi

# docker-registry's package would start a service on port 5000. Its answer to "may I?" is this file's exit status.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

log=$(mktemp)
if ! {
  apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
} >"$log" 2>&1 </dev/null; then
  tail -n 30 "$log" >&2
  echo "Cannot install ${packages[*]}: apt-get failed, see above ($log)." >&2
  exit 1
fi
rm -f "$log"
