# Coppice.  `make help` lists what it does; `make V=1` shows how.
host    := $(shell uname -s | tr A-Z a-z)
OS      := $(host)
VARIANT ?= debug
cross   := $(filter-out $(host),$(OS))
O       := build/$(if $(cross),$(OS)$(patsubst %,-%,$(filter-out debug,$(VARIANT))),$(VARIANT))
WERROR  ?= 1
V       ?=
Q       := $(if $(V),,@)
CC      ?= cc
STRIP   ?= strip
PREFIX  ?= /usr/local
DESTDIR ?=
version := 0.1.0

flags.debug   := -O1 -g3 -DCOP_FAULTS
flags.release := -O2 -g -D_FORTIFY_SOURCE=2
flags.asan    := -O1 -g3 -DCOP_FAULTS -fno-omit-frame-pointer \
                 -fsanitize=address,undefined -fno-sanitize-recover=all
flags.tsan    := -O1 -g3 -fsanitize=thread
flags.fuzz    := -O1 -g3 -fno-omit-frame-pointer \
                 -fsanitize=fuzzer-no-link,address,undefined \
                 -fno-sanitize-recover=all

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef \
            -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wcast-qual \
            $(if $(filter 1,$(WERROR)),-Werror)
llhttp.dir := /usr/share/llhttp
proto.dir := build/proto

# What of other people's we link: Debian's and FreeBSD's own or their packages';
# built by tools/freebsd-libs.sh when we compile for FreeBSD elsewhere.
# zig brings a libc for FreeBSD that is no archive, so that envd is not static then.
static     := -static
static.pie := -static-pie
include    := -isystem /usr/share/include/llhttp -isystem $(proto.dir)
ifeq ($(OS),freebsd)
libs.dir   := $(if $(cross),build/freebsd-libs,/usr/local)
include    += -isystem $(libs.dir)/include
libs.path  := -L$(libs.dir)/lib
ifneq ($(cross),)
ifneq ($(filter default undefined,$(origin CC)),)
CC         := tools/zig-cc
endif
ifneq ($(findstring zig,$(CC)),)
static     :=
endif
else
llhttp.dir := $(libs.dir)/share/llhttp
endif
static.pie := -pie
endif
# Without the sources, as a library.
llhttp.src  := $(if $(filter freebsd,$(OS)),$(patsubst $(llhttp.dir)/%.c,%,$(wildcard $(llhttp.dir)/*.c)),api http llhttp)
libs.llhttp := $(if $(llhttp.src),,-lllhttp)

cflags   := -std=gnu17 -D_GNU_SOURCE -DCOP_VERSION='"$(version)"' -I. \
            -Inetpolicy -Idataplane -Itests $(include) \
            -fPIE -fstack-protector-strong $(warnings) $(flags.$(VARIANT))
ldflags  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

# The compiler minds its numbers.
cflags.netpolicy := -Wconversion
cflags.netpolicy/base := -Wconversion
cflags.netpolicy/nft := -Wconversion
cflags.netpolicy/nft/linux := -Wconversion
cflags.netpolicy/pf := -Wconversion
cflags.netpolicy/pf/freebsd := -Wconversion

# A module is a few directories.  What lies in DIR/linux or DIR/freebsd is
# built there and nowhere else.  Each becomes an archive, so that a program
# takes, and needs the libraries of, what it uses.
dirs.base      := netpolicy/base
dirs.netpolicy := netpolicy netpolicy/nft netpolicy/pf
dirs.npjson    := netpolicy/json
dirs.npcmd     := netpolicy/cmd
dirs.io        := dataplane/io
dirs.http      := dataplane/http
dirs.link      := dataplane/link
dirs.proxy     := dataplane/proxy
dirs.egress    := dataplane/egress
dirs.envd      := dataplane/envd
dirs.capture   := dataplane/capture
dirs.code      := dataplane/code
dirs.monitor   := ctl/monitor
dirs.priv      := ctl/priv
dirs.substrate := ctl/substrate
dirs.sandbox   := ctl/sandbox
dirs.site      := ctl/site
dirs.api       := ctl/api
dirs.testlib   := tests/lib
dirs.tools     := tools
dirs.kmod      := kmod/model kmod/test
modules := testlib kmod tools api sandbox monitor priv substrate site link proxy egress envd code capture http npcmd \
           npjson netpolicy io base

srcs = $(filter-out %_main.c, \
         $(foreach d,$(dirs.$1),$(wildcard $d/*.c $d/$(OS)/*.c)))

# Packages as pkg-config names them, to libraries.  FreeBSD has most of them in
# its base system; a curl that is an archive needs what stands behind it.
pkgs.linux   = $(if $(strip $1),$(shell pkg-config --libs $1 || \
                 echo missing: see tools/setup))
pkgs.freebsd = $(foreach p,$1,$(or $(lib.$p),-l$(p:lib%=%)))
lib.libcurl := -lcurl -lssl -lcrypto -lz -lpthread
lib.sqlite3 := -lsqlite3 -lm
pkgs         = $(pkgs.$(OS))
quote = "$(subst $(empty) $(empty),"$(comma)",$(strip $1))"
empty :=
comma := ,

all:

# --- objects and archives -----------------------------------------------------

# The rule that compiles also writes down how, for compile_commands.json.
$O/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(cflags) $(cflags.$(*D)) $(CFLAGS) -MMD -MP -c -o $@ $<
	@echo '{"directory":"$(CURDIR)","file":"$<","arguments":[$(subst '"',\"',$(call \
	    quote,$(filter-out -DCOP_VERSION=%,$(CC) $(cflags) $(CFLAGS)) -c $<))]},' > $(@:.o=.cdb)

# Other people's sources, compiled with fewer questions asked.
$O/llhttp/%.o: $(llhttp.dir)/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    llhttp/$*.c")
	$(Q)$(CC) -std=gnu17 $(include) -fPIE \
	    $(flags.$(VARIANT)) $(CFLAGS) -w -c -o $@ $<
llhttp.o := $(patsubst %,$O/llhttp/%.o,$(llhttp.src))

# Descriptors of envd's messages, made from the .proto files; the same for all
# variants.  `grouped target`: one run of the compiler makes all of them.
proto.src := $(shell cd dataplane/envd/proto && find . -name '*.proto' | sort)
proto.src := $(proto.src:./%=%)
proto.c   := $(proto.src:%.proto=$(proto.dir)/%.pb-c.c)
proto.h   := $(proto.c:.c=.h)
$(proto.c) $(proto.h) $(proto.dir)/envd.bin &: $(addprefix dataplane/envd/proto/,$(proto.src))
	@mkdir -p $(proto.dir)
	$(if $(V),,@echo "  PROTO $(proto.src)")
	$(Q)protoc-c -Idataplane/envd/proto --c_out=$(proto.dir) --include_imports \
	    --descriptor_set_out=$(proto.dir)/envd.bin $(proto.src)
$O/proto/%.o: $(proto.dir)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(include) -fPIE $(flags.$(VARIANT)) \
	    $(CFLAGS) -w -c -o $@ $<
proto.o := $(proto.c:$(proto.dir)/%.c=$O/proto/%.o)
# Who includes them: a compiler does not list what is in system folders.
proto.users := dataplane/envd/rpcs dataplane/envd/codec tests/unit/test_codec \
               tests/fuzz/fuzz_codec tests/fuzz/fuzz_connect \
               tests/fuzz/fuzz_envelope
$(proto.users:%=$O/%.o) $(proto.users:%=$O/envd/%.o): $(proto.h)

define archive
$O/lib$1.a: $(patsubst %.c,$O/%.o,$(call srcs,$1)) $2
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
archive.http := $(llhttp.o)
archive.envd := $(proto.o)
$(foreach m,$(modules),$(eval $(call archive,$m,$(archive.$m))))
archives := $(patsubst %,$O/lib%.a,$(modules))

# --- programs -----------------------------------------------------------------

# $(call program,NAME,MAIN,MODULES,PACKAGES,LIBS)
define program
programs += $O/bin/$1
$O/bin/$1: $O/$(2:.c=.o) $(patsubst %,$O/lib%.a,$3)
	@mkdir -p $$(@D)
	$(if $(V),,@echo "  LD    $1")
	$(Q)$(CC) $(cflags) $(CFLAGS) $(ldflags) $(libs.path) $(LDFLAGS) -o $$@ $O/$(2:.c=.o) \
	    -Wl,--start-group $(patsubst %,$O/lib%.a,$3) -Wl,--end-group \
	    $$(call pkgs,$4) $$(if $$(filter http,$3),$(libs.llhttp)) $5
endef

$(eval $(call program,coppiced,ctl/coppiced_main.c,monitor io base,,-lev -lpthread))
$(eval $(call program,coppice-apid,ctl/apid_main.c,api sandbox site link http \
  npjson netpolicy io base,jansson sqlite3 libmd,-lev -lpthread))
pkgs.privd.linux := libmnl libnftnl libcap-ng libseccomp
$(eval $(call program,coppice-privd,ctl/priv/privd_main.c,priv substrate site \
  link netpolicy io base,$(pkgs.privd.$(OS)),-lev -lpthread))
$(eval $(call program,coppice-proxyd,dataplane/proxy/proxyd_main.c,proxy http \
  io base,jansson libssl libcrypto,-lev -lpthread))
$(eval $(call program,coppice-egressd,dataplane/egress/egressd_main.c,egress \
  io base,,-lev))
$(eval $(call program,netpolicy,netpolicy/netpolicy_main.c,npcmd npjson \
  netpolicy base,jansson,))
$(eval $(call program,coppice,tools/coppice_main.c,tools io netpolicy base,jansson libcurl,))

# envd is pid 1 of a sandbox: static, small, of objects of its own.
envd.cflags  := -std=gnu17 -D_GNU_SOURCE -DCOP_VERSION='"$(version)"' -I. \
                -Inetpolicy -Idataplane $(include) -Os -g \
                -ffunction-sections -fdata-sections -fno-pie \
                -fno-asynchronous-unwind-tables $(warnings)
envd.srcs    := $(call srcs,envd) dataplane/envd/envd_main.c \
                $(call srcs,http) $(call srcs,base) \
                $(filter dataplane/io/inside.c dataplane/io/log.c dataplane/io/loop.c,$(call srcs,io))
envd.objs    := $(patsubst %.c,$O/envd/%.o,$(envd.srcs)) \
                $(patsubst %,$O/envd/llhttp/%.o,$(llhttp.src)) \
                $(proto.o:$O/proto/%=$O/envd/proto/%)
$O/envd/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    envd: $<")
	$(Q)$(CC) $(envd.cflags) $(CFLAGS) -MMD -MP -c -o $@ $<
$O/envd/llhttp/%.o: $(llhttp.dir)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(include) -Os -fno-pie \
	    -ffunction-sections -fdata-sections -w -c -o $@ $<
$O/envd/proto/%.o: $(proto.dir)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(include) -Os -fno-pie \
	    -ffunction-sections -fdata-sections -w -c -o $@ $<
$O/bin/envd: $(envd.objs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD    envd")
	$(Q)$(CC) $(static) -Wl,--gc-sections $(libs.path) $(LDFLAGS) -o $@.full $^ \
	    $(libs.llhttp) -lev -ljansson -lmd -lz -lprotobuf-c -lm
	$(Q)$(STRIP) -o $@ $@.full
programs += $O/bin/envd

# So is coppice-code, which runs in a template's root, whatever is there.
code.main    := $(wildcard dataplane/code/code_main.c dataplane/code/$(OS)/code_main.c)
code.srcs    := $(call srcs,code) $(code.main) \
                $(call srcs,http) $(call srcs,base) \
                $(filter dataplane/io/inside.c dataplane/io/log.c dataplane/io/loop.c,$(call srcs,io))
code.objs    := $(patsubst %.c,$O/envd/%.o,$(code.srcs)) \
                $(patsubst %,$O/envd/llhttp/%.o,$(llhttp.src))
$O/bin/coppice-code: $(code.objs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD    coppice-code")
	$(Q)$(CC) $(static) -Wl,--gc-sections $(libs.path) $(LDFLAGS) -o $@.full $^ $(libs.llhttp) -lev -lm
	$(Q)$(STRIP) -o $@ $@.full
programs += $(if $(code.main),$O/bin/coppice-code)

# coppice-capture starts in privd's private root, where no library is: static.
capture.cflags := -std=gnu17 -D_GNU_SOURCE -DCOP_VERSION='"$(version)"' -I. \
                  -Inetpolicy -Idataplane $(include) -O2 -g -D_FORTIFY_SOURCE=2 -fPIE \
                  -fstack-protector-strong $(warnings)
capture.srcs   := $(call srcs,capture) dataplane/capture/capture_main.c \
                  $(wildcard dataplane/capture/$(OS)/static/*.c) \
                  $(call srcs,base) dataplane/io/log.c dataplane/io/child.c
libs.capture.linux := -lseccomp
capture.objs   := $(patsubst %.c,$O/capture/%.o,$(capture.srcs))
$O/capture/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    capture: $<")
	$(Q)$(CC) $(capture.cflags) $(CFLAGS) -MMD -MP -c -o $@ $<
$O/bin/coppice-capture: $(capture.objs)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD    coppice-capture")
	$(Q)$(CC) $(static.pie) -Wl,-z,relro,-z,now -Wl,--gc-sections $(libs.path) $(LDFLAGS) -o $@ $^ \
	    -lpcap $(libs.capture.$(OS))
programs += $O/bin/coppice-capture

# --- tests --------------------------------------------------------------------

test.pkgs.linux := libmnl libnftnl libcap-ng libseccomp
test.libs = $(call pkgs,jansson sqlite3 libmd $(test.pkgs.$(OS)) libpcap libcurl \
              libssl libcrypto) $(libs.llhttp) -lev -lpthread -lz -lutil -lprotobuf-c
define testprog
testprogs += $O/bin/tests/$1
$O/bin/tests/$1: $O/$2.o $(archives)
	@mkdir -p $$(@D)
	$(if $(V),,@echo "  LD    tests/$1")
	$(Q)$(CC) $(cflags) $(CFLAGS) $(ldflags) $(libs.path) $(LDFLAGS) -o $$@ $O/$2.o \
	    -Wl,--start-group $(archives) -Wl,--end-group $(test.libs)
endef
unit.srcs  := $(wildcard tests/unit/test_*.c tests/unit/$(OS)/test_*.c)
tool.srcs  := $(foreach d,net api fault bench,$(wildcard tests/$d/*.c tests/$d/$(OS)/*.c)) \
              $(wildcard tests/$(OS)/*.c)
$(foreach t,$(unit.srcs) $(tool.srcs),$(eval \
  $(call testprog,$(notdir $(t:.c=)),$(t:.c=))))
# What a kernel of that system is asked: kmod/test/run runs it.
$(foreach t,$(wildcard kmod/test/$(OS)/*_main.c),$(eval \
  $(call testprog,$(patsubst %_main.c,%,$(notdir $t)),$(t:.c=))))

# Fuzzers need clang: libFuzzer brings main.
fuzz.srcs := $(wildcard tests/fuzz/fuzz_*.c)
define fuzzprog
fuzzers += $O/bin/fuzz/$1
$O/bin/fuzz/$1: $O/$2.o $(archives)
	@mkdir -p $$(@D)
	$(Q)$(CC) $(cflags) $(ldflags) -fsanitize=fuzzer -o $$@ $O/$2.o \
	    -Wl,--start-group $(archives) -Wl,--end-group $(test.libs)
endef
$(foreach t,$(fuzz.srcs),$(eval \
  $(call fuzzprog,$(notdir $(t:.c=)),$(t:.c=))))

# --- targets ------------------------------------------------------------------

.DEFAULT_GOAL := all
.PHONY: all setup run test check check-unit check-golden golden-update asan \
  tsan fuzz fault envd-diff envd-large bench lint layers fmt fmt-check analyze freebsd \
  freebsd-check freebsd-bundle \
  compile_commands.json install clean help tests fuzzers envd

all: $(programs) ## every program into build/debug/bin
tests: all $(testprogs)
fuzzers: $(fuzzers)

setup: ## install what is missing on this machine (tools/setup --check only looks)
	$(Q)tools/setup

run: ## build, build the base template once, start everything
	$(Q)tools/setup run
	$(Q)$(MAKE) --no-print-directory VARIANT=release all
	$(Q)tools/run build/release/bin

test: setup ## the whole suite, with its own set-up; ends with one line
	$(Q)$(MAKE) --no-print-directory -j2 tests
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=fuzz CC=clang-14 fuzzers
	$(Q)tests/run

check: tests ## the part of the suite that needs no root
	$(Q)tests/run unit golden

check-%: tests ## one kind: unit golden net api fault fuzz; T=name picks one
	$(Q)tests/run $* $(T)

golden-update: all ## rewrite expected files; the diff is the review
	$(Q)tools/golden.sh update $O/bin/netpolicy

asan: ## unit and golden tests under address and undefined sanitizers
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=asan tests
	$(Q)VARIANT=asan tests/run unit golden

tsan: ## unit tests under the thread sanitizer
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=tsan tests
	$(Q)VARIANT=tsan tests/run unit

fuzz: ## every fuzzer for SECONDS_EACH (600)
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=fuzz CC=clang-14 fuzzers
	$(Q)FUZZ_SECONDS=$(or $(SECONDS_EACH),600) tests/run fuzz

envd-diff: $O/bin/envd ## the same requests to our envd and another one: REF=/path/to/envd
	$(Q)tests/differential/envd.sh "$(REF)" $(ARGS)

envd-large: tests ## files of 5 GiB through envd; wants 22 GiB of disk
	$(Q)ENVD_LARGE=1 tests/api/envd_files.py "large file"
	$(Q)ENVD_LARGE=1 tests/api/envd_files.py wide

bench: ## measure; prints a table, writes build/bench.json; B=name picks some
	$(Q)tools/setup bench
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=release all tests
	$(Q)tests/bench/run build/release/bin $(B)

lint: layers fmt-check freebsd-check ## static checks; quiet when all is well
	$(Q)tools/lint.sh

layers: tests ## who includes whom, against tools/layers.txt
	$(Q)awk -f tools/layers.awk tools/layers.txt \
	    $$(find $O -name '*.d' -not -path '*/envd/*')

csrc = $(shell git ls-files --cached --others --exclude-standard "*.c" "*.h" ":!kmod/src" ":!kmod/uapi")
fmt: ## clang-format on what git knows
	$(Q)clang-format-14 -i $(csrc)
fmt-check:
	$(Q)clang-format-14 --dry-run --Werror $(csrc)

analyze: ## gcc -fanalyzer, by hand: it is slow and has opinions
	$(Q)$(MAKE) --no-print-directory O=build/analyze CFLAGS=-fanalyzer WERROR=0 all

freebsd: ## every program for FreeBSD into build/freebsd/bin, with zig or CC=...
	$(Q)tools/setup freebsd
	$(Q)$(MAKE) --no-print-directory -j2 OS=freebsd tests

freebsd-bundle: freebsd ## build/freebsd/coppice.tar: programs and tests, for a machine
	$(Q)tools/freebsd-bundle.sh build/freebsd

freebsd-check: $(proto.h) ## compile all that is not Linux's for FreeBSD
	$(Q)tools/freebsd-check.sh

.PHONY: freebsd-test
freebsd-test: ## the FreeBSD suite in a machine: IMAGE=disk [FREEBSD_KERNEL=file] [T=name]
	$(Q)if [ -n "$(IMAGE)" ]; then $(MAKE) --no-print-directory freebsd-bundle; fi
	$(Q)IMAGE="$(IMAGE)" FREEBSD_KERNEL="$(FREEBSD_KERNEL)" \
	    tools/freebsd-test build/freebsd/coppice.tar $(T)

compile_commands.json: tests ## for editors
	$(Q)(echo '['; find $O -name '*.cdb' | sort | xargs cat | sed '$$ s/,$$//'; echo ']') > $@

install: ## into $(DESTDIR)$(PREFIX)
	$(Q)$(MAKE) --no-print-directory VARIANT=release all
	$(Q)tools/$(if $(filter freebsd,$(OS)),freebsd/)install.sh build/release/bin "$(DESTDIR)" "$(PREFIX)"

clean:
	$(Q)rm -rf build compile_commands.json

help: ## this list
	$(Q)awk -F':.*## ' '/^[a-z%_.-]+:.*## /{printf "%-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell find $O -name '*.d' 2>/dev/null)
