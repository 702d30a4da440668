# tools/layers.awk - who includes whom, against tools/layers.txt.
#
#	awk -f tools/layers.awk tools/layers.txt FILE.d...
#
# The compiler wrote down in FILE.d what each file includes.  The row of a
# folder is that of the longest listed prefix; whoever belongs to one row may
# include each other, and what lies below the prefixes that their row lists.
# Prints every include that is not allowed; exits 1 if there was one.

function row(dir) {
	while (!(dir in may) && sub(/\/[^\/]*$/, "", dir))
		;
	return dir
}
function folder(path) {
	sub(/\/[^\/]*$/, "", path)
	return path
}
function allowed(from, to,   n, i, list) {
	if (row(from) == row(to))
		return 1
	n = split(may[row(from)], list, " ")
	for (i = 1; i <= n; i++)
		if (index(to "/", list[i] "/") == 1)
			return 1
	return 0
}
FILENAME ~ /layers\.txt$/ {
	if (!/^#/ && split($0, part, ":") == 2)
		may[part[1]] = part[2]
	next
}
FNR == 1 { source = "" }
{
	for (i = 1; i <= NF; i++) {
		if (source == "" && $i ~ /^[a-z].*\.c$/)
			source = $i
		else if (source != "" && $i ~ /^[a-z].*\.h$/ &&
		    !allowed(folder(source), folder($i))) {
			print source ": includes " $i ", which tools/layers.txt does not allow"
			bad = 1
		}
	}
}
END { exit bad }
