# shellcheck shell=sh
# shellcheck disable=SC1091,SC2034,SC2154  # sourced by mktemplate
# linux/mktemplate.sh - what Linux's part of mktemplate does its own way.

# --- sources ------------------------------------------------------------------

# The host's Debian entries: those whose suite is the host's own release.
sources()
{
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "/etc/os-release names no release"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		awk -v c="$codename" '$1 == "deb" {
			i = 2
			if ($2 ~ /^\[/)
				while (i <= NF && $i !~ /\]$/)
					i++
			if ($2 ~ /^\[/)
				i++
			s = $(i + 1)
			if (s == c || index(s, c "-") == 1)
				print
		}' "$f"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		awk -v c="$codename" 'function flush(   i, j, n, u, s, k) {
			if (types ~ /(^| )deb( |$)/ && enabled !~ /no/) {
				n = split(uris, u, " ")
				k = split(suites, s, " ")
				for (i = 1; i <= n; i++)
					for (j = 1; j <= k; j++)
						if (s[j] == c ||
						    index(s[j], c "-") == 1)
							print "deb" \
							    (key ? " [signed-by=" key "]" : "") \
							    " " u[i] " " s[j] " " comps
			}
			types = uris = suites = comps = key = enabled = ""
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		{ v = $0; sub(/^[^:]*:[ \t]*/, "", v) }
		tolower($1) == "types:" { types = v }
		tolower($1) == "uris:" { uris = v }
		tolower($1) == "suites:" { suites = v }
		tolower($1) == "components:" { comps = v }
		tolower($1) == "enabled:" { enabled = v }
		tolower($1) == "signed-by:" && v ~ /^\// { key = v }
		END { flush() }' "$f"
	done
}

find_sources()
{
	sources > "$tmp/sources.list"
	[ -s "$tmp/sources.list" ] ||
		die "no Debian source for this release under /etc/apt"
}

# --- what the system calls otherwise ------------------------------------------

begin()
{
	[ -z "$from" ] || die "--from: templates are made of Debian packages here"
	command -v mmdebstrap > /dev/null || die "mmdebstrap is missing: tools/setup"

	# What is mounted while building goes with us, however we end.
	[ -n "${MKTEMPLATE_NS:-}" ] ||
		MKTEMPLATE_NS=1 exec unshare -m --propagation private "$0" "$@"

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

one_at_a_time() # FILE ARGUMENT...
{
	exec 9> "$1"
	flock 9
}

sha256()
{
	sha256sum
}

unmount_all() # DIR
{
	umount -q -R "$1/root" 2> /dev/null || :
}

sync_files() # DIR
{
	sync -f "$1"
}

move() # FROM TO
{
	mv -T "$1" "$2"
}

# Nothing may go while a sandbox has the old root below its own.
sandboxes_live()
{
	for d in /sys/fs/cgroup/unified/coppice*/*/ \
	    /sys/fs/cgroup/coppice*/*/; do
		[ ! -d "$d" ] || return 0
	done
	return 1
}
