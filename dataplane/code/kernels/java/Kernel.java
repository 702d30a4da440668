/*
 * Kernel.java - Java for coppice-code: NDJSON on descriptor 3, JShell inside.
 *
 * Run as it is: java --add-opens java.base/java.io=ALL-UNNAMED Kernel.java
 * (nothing else gives Java a descriptor that it did not open).
 */
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jdk.jshell.Diag;
import jdk.jshell.EvalException;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.UnresolvedReferenceException;

public class Kernel {
	static final int CHANNEL = 3;
	static final String[] IMPORTS = { "java.io.*", "java.math.*", "java.net.*",
		"java.nio.file.*", "java.util.*", "java.util.concurrent.*",
		"java.util.function.*", "java.util.prefs.*", "java.util.regex.*",
		"java.util.stream.*" };

	final OutputStream out;
	final BufferedReader in;
	JShell shell;
	String id;
	int count;
	volatile boolean interrupted;

	/* --- messages ------------------------------------------------------ */

	static FileDescriptor descriptor(int fd) throws ReflectiveOperationException {
		var made = FileDescriptor.class.getDeclaredConstructor(int.class);

		made.setAccessible(true);
		return made.newInstance(fd);
	}

	Kernel() throws ReflectiveOperationException {
		FileDescriptor fd = descriptor(CHANNEL);

		out = new FileOutputStream(fd);
		in = new BufferedReader(new InputStreamReader(
		    new FileInputStream(fd), StandardCharsets.UTF_8));
	}

	static void quote(StringBuilder to, String s) {
		to.append('"');
		for (char c : s.toCharArray()) {
			if (c == '"' || c == '\\')
				to.append('\\').append(c);
			else if (c < ' ' || c > '~')
				to.append(String.format("\\u%04x", (int) c));
			else
				to.append(c);
		}
		to.append('"');
	}

	/* Maps, lists, strings, numbers: all that we say. */
	static void json(StringBuilder to, Object v) {
		String sep = "";

		if (v instanceof Map<?, ?> m) {
			to.append('{');
			for (var e : m.entrySet()) {
				to.append(sep);
				quote(to, (String) e.getKey());
				to.append(':');
				json(to, e.getValue());
				sep = ",";
			}
			to.append('}');
		} else if (v instanceof List<?> l) {
			to.append('[');
			for (Object one : l) {
				to.append(sep);
				json(to, one);
				sep = ",";
			}
			to.append(']');
		} else if (v instanceof String s) {
			quote(to, s);
		} else {
			to.append(v);
		}
	}

	synchronized void send(String type, Map<String, ?> content) {
		StringBuilder line = new StringBuilder("{\"type\":");

		quote(line, type);
		if (id != null) {
			line.append(",\"id\":");
			quote(line, id);
		}
		line.append(",\"content\":");
		json(line, content);
		line.append("}\n");
		try {
			out.write(line.toString().getBytes(StandardCharsets.US_ASCII));
		} catch (IOException e) {
			Runtime.getRuntime().halt(1);
		}
	}

	/* A reader of JSON, as small as what coppice-code writes allows. */
	static class Reader {
		final String s;
		int at;

		Reader(String s) {
			this.s = s;
		}

		char next() {
			while (Character.isWhitespace(s.charAt(at)))
				at++;
			return s.charAt(at);
		}

		Object value() {
			switch (next()) {
			case '{':
				return object();
			case '"':
				return string();
			default:
				int from = at;
				while (at < s.length() && ",}] ".indexOf(s.charAt(at)) < 0)
					at++;
				return s.substring(from, at);
			}
		}

		Map<String, Object> object() {
			Map<String, Object> m = new LinkedHashMap<>();

			at++;
			while (next() != '}') {
				if (next() == ',')
					at++;
				next();
				String key = string();
				next();
				at++; // the colon
				m.put(key, value());
			}
			at++;
			return m;
		}

		String string() {
			StringBuilder to = new StringBuilder();

			for (at++; s.charAt(at) != '"'; at++) {
				char c = s.charAt(at);
				if (c != '\\') {
					to.append(c);
					continue;
				}
				c = s.charAt(++at);
				if (c == 'u') {
					to.append((char) Integer.parseInt(s.substring(at + 1, at + 5), 16));
					at += 4;
				} else {
					int n = "bfnrt".indexOf(c);
					to.append(n < 0 ? c : "\b\f\n\r\t".charAt(n));
				}
			}
			at++;
			return to.toString();
		}
	}

	/* --- what a cell prints --------------------------------------------- */

	/* println() of a class of its own is two writes, and so two events: the
	 * text, then the end of its line.  IJava's clients know it so. */
	PrintStream printer(String name) {
		OutputStream to = new OutputStream() {
			@Override
			public void write(int b) {
				write(new byte[] { (byte) b }, 0, 1);
			}

			@Override
			public void write(byte[] b, int from, int n) {
				if (n > 0)
					send("stream", Map.of("name", name, "text",
					    new String(b, from, n, StandardCharsets.UTF_8)));
			}
		};

		return new PrintStream(to, true, StandardCharsets.UTF_8) { };
	}

	/* --- execution ------------------------------------------------------- */

	static class Failed extends Exception {
		final String name;
		final List<String> traceback;

		Failed(String name, String value, List<String> traceback) {
			super(value);
			this.name = name;
			this.traceback = traceback;
		}
	}

	void start() {
		shell = JShell.builder().executionEngine("local").build();
		for (String i : IMPORTS)
			shell.eval("import " + i + ";");
	}

	Failed rejected(Snippet snippet) {
		List<String> says = new ArrayList<>();

		shell.diagnostics(snippet).filter(Diag::isError)
		    .forEach((d) -> says.add(d.getMessage(Locale.ENGLISH)));
		String value = String.join("\n", says);
		return new Failed("CompilationException", value,
		    List.of(snippet.source() + "\n" + value));
	}

	static Failed thrown(Exception e) {
		String name = e.getClass().getSimpleName(), value = String.valueOf(e.getMessage());
		StringBuilder trace = new StringBuilder();

		if (e instanceof EvalException v) {
			String of = v.getExceptionClassName();
			name = of.substring(Math.max(of.lastIndexOf('.'), of.lastIndexOf('$')) + 1);
			trace.append(of).append(": ").append(value);
		} else if (e instanceof UnresolvedReferenceException u) {
			value = u.getSnippet().source() + " refers to what is not declared yet";
			trace.append(name).append(": ").append(value);
		}
		for (StackTraceElement f : e.getStackTrace())
			if (!f.getClassName().startsWith("jdk.jshell."))
				trace.append("\n\tat ").append(f);
		return new Failed(name, value, List.of(trace.toString()));
	}

	/* The value of an expression, in JShell's words; else null. */
	String value(SnippetEvent e) throws Failed {
		if (e.causeSnippet() != null)
			return null; // an earlier snippet that this one completes
		if (e.status() == Snippet.Status.REJECTED)
			throw rejected(e.snippet());
		if (e.exception() != null)
			throw thrown((Exception) e.exception());
		if (e.snippet().kind() != Snippet.Kind.EXPRESSION &&
		    e.snippet().subKind() != Snippet.SubKind.TEMP_VAR_EXPRESSION_SUBKIND)
			return null;
		return e.value() == null || e.value().isEmpty() ? null : e.value();
	}

	String evaluate(String code) throws Failed {
		SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
		String value = null, rest = code;

		while (!rest.isBlank() && !interrupted) {
			var part = analysis.analyzeCompletion(rest);
			String source = part.completeness().isComplete() ? part.source() : rest;

			if (source == null || source.isBlank())
				break;
			value = null;
			for (SnippetEvent e : shell.eval(source)) {
				String v = value(e);
				value = v == null ? value : v;
			}
			rest = part.completeness().isComplete() ? part.remaining() : "";
		}
		if (interrupted)
			throw new Failed("KeyboardInterrupt", "", List.of("KeyboardInterrupt"));
		return value;
	}

	void execute(Map<?, ?> content) {
		boolean silent = "true".equals(content.get("silent"));
		String code = (String) content.get("code");

		interrupted = false;
		if (!silent && !"false".equals(content.get("store_history")))
			count++;
		if (!silent)
			send("execute_input", Map.of("code", code, "execution_count", count));
		try {
			String value = evaluate(code);
			if (value != null && !silent)
				send("execute_result", Map.of("execution_count", count,
				    "data", Map.of("text/plain", value), "metadata", Map.of()));
			send("execute_reply", Map.of("status", "ok", "execution_count", count,
			    "payload", List.of(), "user_expressions", Map.of()));
		} catch (Failed f) {
			String name = interrupted ? "KeyboardInterrupt" : f.name;
			String value = interrupted ? "" : f.getMessage();
			if (!silent)
				send("error", Map.of("ename", name, "evalue", value,
				    "traceback", f.traceback));
			send("execute_reply", Map.of("status", "error", "ename", name,
			    "evalue", value, "traceback", f.traceback, "execution_count", count));
		}
	}

	void run() throws IOException {
		String line;

		while ((line = in.readLine()) != null) {
			var message = new Reader(line).object();
			if ("shutdown_request".equals(message.get("type")))
				break;
			if (!"execute_request".equals(message.get("type")))
				continue;
			id = (String) message.get("id");
			send("status", Map.of("execution_state", "busy"));
			execute((Map<?, ?>) message.get("content"));
			send("status", Map.of("execution_state", "idle"));
		}
		Runtime.getRuntime().halt(0);
	}

	void interrupt() {
		interrupted = true;
		shell.stop();
	}

	public static void main(String[] args) throws Exception {
		Kernel kernel = new Kernel();

		System.setOut(kernel.printer("stdout"));
		System.setErr(kernel.printer("stderr"));
		System.setIn(InputStreamOf.nothing());
		kernel.start();
		sun.misc.Signal.handle(new sun.misc.Signal("INT"), (s) -> kernel.interrupt());
		kernel.send("ready", Map.of());
		kernel.run();
	}

	static class InputStreamOf {
		static java.io.InputStream nothing() {
			return java.io.InputStream.nullInputStream();
		}
	}
}
