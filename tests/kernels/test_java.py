"""The Java kernel."""
from lines import Kernel, case, finish, missing, same

missing("/usr/bin/java", "openjdk-17-jdk-headless")
k = Kernel("java")


@case("prints, values, state")
def _():
    c = k.run('System.out.println("Hello, World!");')
    # As IJava has it: the line, then its end.
    same(c.stream("stdout"), ["Hello, World!", "\n"])
    same((c.text, c.error), (None, None))
    same(k.run("int x = 5;").text, None)
    same(k.run("x + 1").text, "6")
    same(k.run('String s = "a\u65e5";\ns').text, '"a\u65e5"')
    same(k.run('System.err.print("e")').err, "e")
    same(k.run("int f(int n) {\n  return n * 2;\n}\nrecord P(int a) {}\nf(new P(4).a())").text, "8")
    same(k.run("List.of(1, 2).stream().map(n -> n + 1).collect(Collectors.toList())").text, "[2, 3]")
    same(k.run("").types, ["status", "execute_input", "execute_reply", "status"])
    same(k.run("// a comment\n").error, None)


@case("forward references, as JShell takes them")
def _():
    same(k.run("int g() { return h(); }\nint h() { return 3; }\ng()").text, "3")


@case("errors: of the compiler, of the program")
def _():
    name, value = k.run("int y = \"no\";").error
    same(name, "CompilationException")
    assert "incompatible types" in value, value
    c = k.run("int a = 1; throw new IllegalStateException(\"bad\");")
    same(c.error, ("IllegalStateException", "bad"))
    assert "java.lang.IllegalStateException: bad" in c.all("error")[0]["traceback"][0]
    same(k.run("1 / 0").error, ("ArithmeticException", "/ by zero"))
    same(k.run("class {").error[0], "CompilationException")
    same(k.run("x").text, "5")


@case("properties, quiet cells, counting")
def _():
    same(k.run("System.setProperty(\"A\", \"b\")", silent=True).types, ["status", "execute_reply", "status"])
    c = k.run("System.getProperty(\"A\")")
    n = c.reply["execution_count"]
    same((c.text, c.all("execute_input")[0]["execution_count"]), ('"b"', n))
    same(k.run("1").reply["execution_count"], n + 1)


@case("an interrupt ends what runs and what waits, and keeps the state")
def _():
    same(k.run("Thread.sleep(60000);", interrupt_after=0.5).error, ("KeyboardInterrupt", ""))
    same(k.run("while (true) { }", interrupt_after=0.5).error, ("KeyboardInterrupt", ""))
    same(k.run("x").text, "5")


@case("what reads is at its end")
def _():
    same(k.run("System.in.read()").text, "-1")


same(k.close(), 0)
finish()
