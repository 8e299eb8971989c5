#!/usr/bin/env bash
# A Kubernetes control plane from Debian's packages alone: builds kube-apiserver and
# kube-controller-manager 1.20.2 from the source package, and takes kubectl from the binary one.
#
# tests/e2e/kubernetes/build.sh     prints the directory of the binaries, etcd's among them
#
# What was built is kept outside the checkout, in PORTREEVE_KUBERNETES (by default
# /var/cache/portreeve/kubernetes), by version, and is not built again; `bin` there leads to it. It
# takes root for apt, a few minutes on two cores, and some 4 GB of disk while it builds.
set -euo pipefail

version='1.20.5+really1.20.2-1.1+deb12u1'
release=v1.20.2
recipe=1 # to be raised when this file builds something else from the same sources
cache=${PORTREEVE_KUBERNETES:-/var/cache/portreeve/kubernetes}
kept=$cache/$version-$recipe
programs=(kube-apiserver kube-controller-manager kubectl etcd)

exec 3>&2 # where steps are told, while everything else goes into the log
step() { printf '%(%T)T kubernetes: %s\n' -1 "$*" >&3; }

whole() { # directory: everything is there and says that it is of this version
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
  [ "$("$1/kube-apiserver" --version 2>/dev/null)" = "Kubernetes $release" ]
}

# --- packages ---------------------------------------------------------------------------------------
needed() { # what the build itself takes
  local missing=() package
  for package in golang-go dpkg-dev debian-archive-keyring; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  apt-get -qq update
  if [ ${#missing[@]} -gt 0 ]; then
    step "installing ${missing[*]}"
    apt-get -qq install -y --no-install-recommends "${missing[@]}"
  fi
}

# The machine's own list of sources is left as it is: sources are asked for with a list of our own,
# from the mirrors that the machine takes its packages from.
source_list() {
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
    'Identifier: Packages' 'Label: Debian' |
    awk -v key="$key" '{ print "deb-src [signed-by=" key "]", $1, $2, $3 }' | sort -u >sources.list
  [ -s sources.list ] || { echo "apt knows no archive of Debian" >&2; return 1; }
}

sources() { # source=version: unpacked here
  apt-get -q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$PWD/lists" -o APT::Get::List-Cleanup=0 "$@"
}

unpacked() { # package directory: its files, without installing it
  apt-get -q download "$1"
  dpkg-deb -x "${1%%=*}"_*.deb "$2"
}

# --- building ---------------------------------------------------------------------------------------
# The tree vendors reflect2 1.0.1, which reads Go's maps by an inside that Go 1.18 changed: the server
# would panic at its first CRD. Debian packages the version that does not.
newer_reflect2() {
  local place=vendor/github.com/modern-go/reflect2
  unpacked golang-github-modern-go-reflect2-dev reflect2
  rm -rf "kubernetes/$place"
  cp -r "reflect2/usr/share/gocode/src/github.com/modern-go/reflect2" "kubernetes/$place"
  find "kubernetes/$place" -name '*_test.go' -delete
}

tagged() { # every package of the tree that wants an OpenAPI definition
  # vendor/k8s.io holds links into staging, which grep follows only with a slash behind.
  {
    for module in vendor/k8s.io/*/; do
      case $module in */kube-openapi/ | */code-generator/ | */gengo/ | */sample-*) continue ;; esac
      grep -rl --include='*.go' '+k8s:openapi-gen=' "${module%/}/." || true
    done
    grep -rl --include='*.go' '+k8s:openapi-gen=' pkg plugin || true
  } | grep -v '_test\.go$' | sed -E 's#/\./#/#; s#/[^/]*$##' | LC_ALL=C sort -u
}

# Debian's source package leaves out the one generated file that is too large for upstream's git.
definitions() {
  local packages
  packages=$(tagged | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
  go build -o ../openapi-gen k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
  : >../header.txt
  ../openapi-gen --logtostderr --go-header-file ../header.txt --report-filename ../violations.txt \
    --input-dirs "$packages" --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --output-file-base zz_generated.openapi
}

compile() { # directory for the binaries
  local stamp='-s -w' place program
  for place in component-base/version client-go/pkg/version; do
    place=k8s.io/kubernetes/vendor/k8s.io/$place
    stamp+=" -X $place.gitVersion=$release -X $place.gitMajor=1 -X $place.gitMinor=20"
  done
  for program in kube-apiserver kube-controller-manager; do
    step "$program"
    # No cloud providers and no Docker: half the code, and nothing here asks for them.
    go build -tags providerless,dockerless -ldflags "$stamp" -o "$1/$program" \
      "k8s.io/kubernetes/cmd/$program"
  done
}

build() { # in an empty directory
  local bin=$PWD/bin
  mkdir bin
  needed
  step "sources"
  source_list
  mkdir -p lists/partial
  sources update
  sources --download-only source "kubernetes=$version"
  dpkg-source --no-check -x kubernetes_*.dsc kubernetes
  newer_reflect2
  unpacked "kubernetes-client=$version" client
  unpacked etcd-server etcd
  cp client/usr/bin/kubectl etcd/usr/bin/etcd bin/
  # Modules are of no use: the tree is older than this Go allows with `-mod=vendor`.
  mkdir -p go/src/k8s.io
  mv kubernetes go/src/k8s.io/kubernetes
  export GOPATH=$PWD/go GOCACHE=$PWD/gocache GO111MODULE=off GOFLAGS= CGO_ENABLED=0
  export GOTMPDIR=$PWD
  cd go/src/k8s.io/kubernetes
  step "OpenAPI definitions"
  ln -s go/src/k8s.io/kubernetes "$GOTMPDIR/tree"
  (cd "$GOTMPDIR/tree" && definitions)
  compile "$bin"
}

main() {
  local work
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9 # a second one waits for the first, and finds what it built
  if ! whole "$kept"; then
    export DEBIAN_FRONTEND=noninteractive
    rm -rf "$cache"/building.*
    work=$(mktemp -d "$cache/building.XXXXXX")
    # In the background, because a condition would switch `set -e` off inside.
    (cd "$work" && build) </dev/null >"$cache/build.log" 2>&1 &
    if ! wait $!; then
      step "failed; the end of $cache/build.log:"
      tail -n 20 "$cache/build.log" >&2
      return 1
    fi
    whole "$work/bin" || { step "what was built does not run"; return 1; }
    rm -rf "$kept"
    mv "$work/bin" "$kept"
    rm -rf "$work"
    ln -sfn "$(basename "$kept")" "$cache/bin"
    step "built: $kept"
  fi
  echo "$kept"
}

main
