//! What potconf says about a file against what real shells make of it.
//!
//! dash, busybox ash, bash, mksh and yash source thousands of generated files. Every parameter that the product calls
//! editable, and every value it shows, must be what all of them have afterwards; and after an edit all of them must
//! have exactly the new value, with everything else as it was and nothing executed. A missing shell is a failure.
//!
//! 1,000 files normally, 20,000 with `POT_CONSOLE_LONG=1`; the seed is fixed, or given by `POT_CONSOLE_SEED`. A file
//! that fails is shrunk and printed; keep it as a named case in `FOUND` below.
//!
//! The shells run with LC_ALL=C, in which a byte is a character; every second batch with C.UTF-8. yash always has
//! C.UTF-8 and is left out for files that are not UTF-8: it works in characters and stops at a byte that is none.

// A test's own functions may fail as the test may; clippy.toml allows it in the test functions alone.
#![allow(clippy::unwrap_used, clippy::panic)]

use pot_console::potconf::{Configuration, Document, Edit, EditError, Name, Source};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const NAMES: [&str; 8] = [
    "POT_ZFS_ROOT",
    "POT_FS_ROOT",
    "POT_TMP",
    "POT_NETWORK",
    "POT_EXTIF",
    "POT_EXTRA_EXTIF",
    "POT_NETWORK_vlan20",
    "POT_OTHER",
];

const DEFAULT: &str = "POT_ZFS_ROOT=zroot/pot\nPOT_FS_ROOT=/opt/pot\nPOT_TMP=/tmp\nPOT_NETWORK=10.192.0.0/10\n\
    POT_EXTIF=em0\nPOT_EXTRA_EXTIF=\n";

const SHELLS: [(&str, &[&str]); 5] = [
    ("dash", &["dash"]),
    ("ash", &["busybox", "ash"]),
    ("bash", &["bash", "--posix"]),
    ("mksh", &["mksh"]),
    ("yash", &["yash"]),
];

/// What a shell has after both files: per name its value, or None when unset. None: it did not get that far.
type Seen = Option<BTreeMap<&'static str, Option<Vec<u8>>>>;

/// Sources each file in every shell; `result[shell][file]`.
fn ask(files: &[Vec<u8>], locale: &str) -> (Vec<Vec<Seen>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path();
    for (index, file) in files.iter().enumerate() {
        for (shell, _) in SHELLS {
            fs::create_dir_all(base.join(format!("{shell}/{index}"))).unwrap();
        }
        fs::write(base.join(format!("{index}.conf")), file).unwrap();
    }
    fs::write(base.join("default.conf"), DEFAULT).unwrap();
    for (shell, _) in SHELLS {
        fs::write(base.join(format!("{shell}.sh")), script(shell)).unwrap();
    }
    let answers = std::thread::scope(|scope| {
        let running: Vec<_> =
            SHELLS.map(|(shell, command)| scope.spawn(move || run(shell, command, base, files.len(), locale))).into();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    (answers, folder)
}

/// What each shell runs for one file: sources both, as pot does it, then appends what the names are to a file, separated
/// by NUL. Not in a subshell of one process for all files: bash runs the last command of a sourced list in the place of
/// the subshell there.
fn script(shell: &str) -> String {
    let dumped = NAMES.map(|name| format!(" \"${{{name}+=}}${{{name}-}}\"")).concat();
    // mksh has no printf of its own.
    let printf = if shell == "mksh" { "/usr/bin/printf" } else { "printf" };
    // The variables of the script itself have names that no file uses.
    format!(
        "_pcb=$1 _pco=$2 _pci=$3\n. \"$_pcb/default.conf\"\n. \"$_pcb/$_pci.conf\"\n\
         {printf} '%s\\0' \"#$_pci\"{dumped} >>\"$_pco\"\n"
    )
}

fn run(shell: &'static str, command: &[&str], base: &Path, count: usize, locale: &str) -> Vec<Seen> {
    let locale = if shell == "yash" { "C.UTF-8" } else { locale };
    let works = Command::new(command[0]).args(&command[1..]).args(["-c", "exit 7"]).status();
    assert_eq!(works.ok().and_then(|status| status.code()), Some(7), "{shell} is needed for this test");
    let every = "i=0; base=$1 shell=$2 count=$3; shift 3; while [ $i -lt $count ]; do cd \"$base/$shell/$i\"; \
                 \"$@\" \"$base/$shell.sh\" \"$base\" \"$base/$shell.out\" $i; i=$((i + 1)); done; exit 0";
    let status = Command::new("dash")
        .args(["-c", every, "dash"])
        .arg(base)
        .args([shell, &count.to_string()])
        .args(command)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", locale)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{shell} ended with {status}");
    let dumped = fs::read(base.join(format!("{shell}.out"))).unwrap_or_default();
    let mut seen: Vec<Seen> = vec![None; count];
    // A record begins with its number; values begin with `=` or are empty. An array, which is more than one field,
    // counts as no answer.
    let fields: Vec<&[u8]> = dumped.split(|byte| *byte == 0).collect();
    let starts: Vec<usize> = (0..fields.len()).filter(|at| fields[*at].first() == Some(&b'#')).collect();
    for start in starts {
        let index: usize = std::str::from_utf8(&fields[start][1..]).unwrap().parse().unwrap();
        let record: Vec<&[u8]> = fields[start + 1..fields.len() - 1]
            .iter()
            .copied()
            .take_while(|field| field.first() != Some(&b'#'))
            .collect();
        if record.len() == NAMES.len() {
            let values =
                NAMES.iter().zip(record).map(|(name, field)| (*name, field.strip_prefix(b"=").map(<[u8]>::to_vec)));
            seen[index] = Some(values.collect());
        }
    }
    seen
}

fn configuration(own: &[u8]) -> Configuration {
    Configuration::new(Document::parse(DEFAULT.as_bytes()).unwrap(), Document::parse(own).unwrap())
}

/// What is wrong with the reading of one file, given what each shell has.
fn disagreement(own: &[u8], seen: &[&Seen]) -> Option<String> {
    let configuration = configuration(own);
    assert_eq!(configuration.own().bytes(), own);
    for name in NAMES {
        let setting = configuration.setting(name);
        let known = configuration.value_bytes(name);
        if !setting.editable && known.is_none() {
            assert!(setting.reason.is_some(), "{name} is read-only without a reason in {:?}", show(own));
            continue;
        }
        for ((shell, _), seen) in SHELLS.iter().zip(seen) {
            if *shell == "yash" && std::str::from_utf8(own).is_err() {
                continue;
            }
            let Some(seen) = seen else { return Some(format!("{shell} stops; {name} is called {known:?}")) };
            if seen[name].as_deref() != known {
                let (seen, known) = (seen[name].as_deref().map(show), known.map(show));
                return Some(format!("{name}: {shell} has {seen:?}, potconf {known:?}"));
            }
        }
    }
    None
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn check(files: &[Vec<u8>], locale: &str) {
    // Where nothing at all is claimed, nothing can be wrong: that saves the shells half of their work.
    let files: Vec<Vec<u8>> = files.iter().filter(|file| configuration(file).trouble().is_none()).cloned().collect();
    let files = files.as_slice();
    let (answers, _folder) = ask(files, locale);
    for (index, file) in files.iter().enumerate() {
        let seen: Vec<&Seen> = answers.iter().map(|shell| &shell[index]).collect();
        if let Some(wrong) = disagreement(file, &seen) {
            let small = shrink(file, locale);
            let (answers, _folder) = ask(std::slice::from_ref(&small), locale);
            let seen: Vec<&Seen> = answers.iter().map(|shell| &shell[0]).collect();
            let still = disagreement(&small, &seen).unwrap_or(wrong);
            panic!("{still} ({locale})\nshrunk: b\"{}\"\nfile:\n{}", show(&small), String::from_utf8_lossy(file));
        }
    }
}

/// Removes pieces of a failing file as long as it fails: halves, lines, bytes.
fn shrink(file: &[u8], locale: &str) -> Vec<u8> {
    let fails = |candidates: &[Vec<u8>]| -> Option<usize> {
        let (answers, _folder) = ask(candidates, locale);
        (0..candidates.len()).find(|index| {
            let seen: Vec<&Seen> = answers.iter().map(|shell| &shell[*index]).collect();
            disagreement(&candidates[*index], &seen).is_some()
        })
    };
    let mut small = file.to_vec();
    for _ in 0..60 {
        let mut candidates = Vec::new();
        let mut size = small.len() / 2;
        while size >= 1 {
            for start in (0..small.len()).step_by(size) {
                let end = small.len().min(start + size);
                candidates.push([&small[..start], &small[end..]].concat());
            }
            size /= 2;
        }
        let Some(index) = fails(&candidates) else { break };
        small.clone_from(&candidates[index]);
    }
    small
}

// --- generators --------------------------------------------------------------------------------------------------

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("POT_CONSOLE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
        println!("POT_CONSOLE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    fn bare(&mut self) -> String {
        let texts = [
            "10.0.0.0/8",
            "em0",
            "vlan20",
            "zroot/pot",
            "/opt/pot",
            "a",
            "1",
            "x-y",
            "a:b",
            "a=b",
            "a,b",
            "a%b",
            "a@b",
            "a+b",
            "#",
            "a#b",
            "{a,b}",
            "a[1]b",
            "*",
            "?",
            "!",
            "a!b",
            "^",
            "-",
            "--",
            "}",
            "]",
            "a/~",
            "äö",
            "€",
            "if",
            "done",
        ];
        self.pick(&texts).to_owned()
    }

    /// Text for inside quotes; everything but what ends them.
    fn text(&mut self, forbidden: &str) -> String {
        let texts = [
            "a",
            "vlan20 vlan30",
            " ",
            "\t",
            "#",
            ";",
            "&",
            "|",
            "<",
            ">",
            "(",
            ")",
            "~",
            "*",
            "!",
            "$",
            "`",
            "\\",
            "\"",
            "'",
            "ü",
            "=",
            "{",
            "}",
            "[",
            "\n",
            "\r",
            "$(touch x)",
            "${",
            "\\n",
            "%s",
            "\u{2003}",
            "\\\n",
            "\u{1}",
            "\u{7f}",
            "\u{81}",
        ];
        let mut text = String::new();
        for _ in 0..self.below(4) {
            let piece = self.pick(&texts);
            if !piece.chars().any(|character| forbidden.contains(character)) {
                text.push_str(piece);
            }
        }
        text
    }

    /// A value that every shell reads alike, written in one of many ways.
    fn plain_value(&mut self) -> String {
        let mut value = String::new();
        for _ in 0..self.below(4) {
            let piece = match self.below(8) {
                0..=2 => self.bare(),
                3 => format!("'{}'", self.text("'")),
                4 => format!("\"{}\"", self.text("\"`$\\")),
                5 => format!(
                    "\"a{}b\"",
                    self.pick(&["\\$", "\\`", "\\\"", "\\\\", "\\a", "\\\n", "\\'", "$/", "$ ", "$%", "'", "\\ "])
                ),
                6 => format!(
                    "\\{}",
                    self.pick(&["$", "`", "\"", "'", "\\", " ", ";", "&", "(", "a", "~", "#", "\t", "é", "\r"])
                ),
                _ => "\\\n".to_owned(),
            };
            value.push_str(&piece);
        }
        value
    }

    fn plain_line(&mut self) -> String {
        let assignment = |dice: &mut Self| format!("{}={}", dice.name(), dice.plain_value());
        match self.below(14) {
            0 => String::new(),
            1 => "# a comment with 'quotes, $(things) and a \\".to_owned(),
            2 => format!("# {}=sample", self.name()),
            3 => format!("{} {}", assignment(self), assignment(self)),
            4 => format!("{}; {}", assignment(self), assignment(self)),
            5 => format!("{} # why", assignment(self)),
            6 => format!("\t {} ;", assignment(self)),
            7 => format!("{} \\\n  {}", assignment(self), assignment(self)),
            8 => format!("PO\\\nT_TMP={}", self.bare()),
            _ => assignment(self),
        }
    }

    fn plain_file(&mut self) -> Vec<u8> {
        let lines: Vec<String> = (0..self.below(7)).map(|_| self.plain_line()).collect();
        self.file(lines)
    }

    fn file(&mut self, lines: Vec<String>) -> Vec<u8> {
        let crlf = self.one_in(12);
        let mut text = lines.join(if crlf { "\r\n" } else { "\n" });
        // A backslash must not stand at the very end of a plain file: shells differ there.
        if !self.one_in(5) || text.ends_with('\\') {
            text.push_str(if crlf { "\r\n" } else { "\n" });
        }
        text.into_bytes()
    }

    fn odd_value(&mut self) -> String {
        let name = self.name();
        match self.below(24) {
            0 => "$(echo a)".to_owned(),
            1 => "`echo a`".to_owned(),
            2 => format!("${name}"),
            3 => format!("${{{name}}}x"),
            4 => format!("\"${{{name}:-b}}\""),
            5 => format!("${{{name}:=c}}"),
            6 => "~".to_owned(),
            7 => "a:~".to_owned(),
            8 => "~root/x".to_owned(),
            9 => "$((1 + 2))".to_owned(),
            10 => "$'a'".to_owned(),
            11 => "$\"a\"".to_owned(),
            12 => format!("${{{name}%/*}}"),
            13 => format!("${{#{name}}}"),
            14 => "\"a $(echo \"b c\") d\"".to_owned(),
            15 => format!("$({name}=inner; echo ${name})"),
            16 => format!("${{{name}+set}}"),
            17 => "$(case a in a) echo b;; esac)".to_owned(),
            18 => format!("${{{name}:?}}"),
            19 => format!("${{{name}/a/b}}"),
            20 => format!("$(({name}=3))"),
            21 => format!("\"${{{name}:-$(echo \"q\")}}\""),
            22 => "''~".to_owned(),
            _ => "$1$#$?".to_owned(),
        }
    }

    fn value(&mut self) -> String {
        if self.one_in(3) { self.odd_value() } else { self.plain_value() }
    }

    fn body(&mut self, depth: usize) -> String {
        let count = 1 + self.below(2);
        let lines: Vec<String> = (0..count).map(|_| self.line(depth + 1)).collect();
        lines.join(self.pick(&["\n", "; "]))
    }

    fn line(&mut self, depth: usize) -> String {
        let name = self.name();
        let value = self.value();
        if depth > 2 {
            return format!("{name}={value}");
        }
        match self.below(62) {
            0 => format!("export {name}={value}"),
            1 => format!("export {name}"),
            2 => format!("readonly {name}={value}"),
            3 => format!("readonly {name}"),
            4 => format!("unset {name}"),
            5 => format!("{name}={value} true"),
            6 => format!("{name}={value} nosuchcommand arg"),
            7 => format!("{name}=vlan20 vlan30"),
            8 => format!("{name}={value} :"),
            9 => format!("{name}={value} export POT_OTHER=1"),
            10 => format!("if true; then\n{}\nfi", self.body(depth)),
            11 => format!("if [ -n \"${name}\" ]; then {}; else {}; fi", self.body(depth), self.body(depth)),
            12 => format!("case ${name} in\na) {} ;;\n*) {} ;;\nesac", self.body(depth), self.body(depth)),
            13 => format!("for {name} in a b; do {}; done", self.body(depth)),
            14 => format!("f() {{ {}; }}", self.body(depth)),
            15 => "f".to_owned(),
            16 => format!("f() {{\n{}\n}}\nf", self.body(depth)),
            17 => format!("( {} )", self.body(depth)),
            18 => format!("{{ {}; }}", self.body(depth)),
            19 => format!("cat <<EOF\n{name}=here\n${name}\nEOF"),
            20 => format!("cat <<'EOF' >/dev/null\n{name}=here `\nEOF"),
            21 => format!("cat <<-EOF\n\t{name}=here\n\tEOF"),
            22 => format!("eval '{name}=evaluated'"),
            23 => format!(": ${{{name}:=given}}"),
            24 => format!(": \"${{{name}={value}}}\""),
            25 => format!("{name}+=more"),
            26 => format!("true && {name}={value}"),
            27 => format!("false || {name}={value}"),
            28 => format!("{name}={value} | cat"),
            29 => format!("echo a | {name}={value}"),
            30 => format!("{name}={value} &"),
            31 => format!("! {name}={value}"),
            32 => format!("{name}={value} >/dev/null"),
            33 => format!("echo ${name} >/dev/null 2>&1"),
            34 => format!("export \"{name}=a b\""),
            35 => format!("read {name} <<EOF\nx\nEOF"),
            36 => format!("local {name}=1"),
            37 => "set -e".to_owned(),
            38 => "return 0".to_owned(),
            39 => "exit 0".to_owned(),
            40 => format!("{name}=(a b)"),
            41 => format!("{name}[1]=a"),
            42 => "nosuchcommand".to_owned(),
            43 => "fi".to_owned(),
            44 => format!("{name}='open"),
            45 => format!("{name}=\"open"),
            46 => "cat <<EOF".to_owned(),
            47 => format!("while false; do {}; done", self.body(depth)),
            48 => format!("{name}={value} {}={name}", self.name()),
            49 => "alias f='POT_TMP=aliased'".to_owned(),
            50 => format!("[ a = b ] && {name}={value}"),
            51 => format!("if false; then f() {{ {name}=one; }}; else f() {{ {name}=two; }}; fi"),
            52 => format!("[ {name}=7 -eq 7 ]"),
            53 => format!("printf -v {name} x"),
            54 => format!("export {name}=*"),
            55 => format!("{name}={value}\r"),
            56 => "POSIXLY_CORRECT=; IFS=: LINENO=x".to_owned(),
            57 => format!("{name}={value} {}{}x", self.name(), self.pick(&["+=", "\u{e4}=", ":=", "-=", "\\="])),
            58 => format!("{}+=x {name}={value}", self.name()),
            59 => {
                format!("{}=x {}export {name}={value}", self.pick(&["\u{e4}", "POT_\u{e4}"]), self.pick(&["", "\\\n"]))
            }
            60 => {
                let word = self.pick(&["for", "case", "if", "while", "{", "time", "export", "then"]);
                format!("f() {{ {word}\\\n {name}={value}\n}}")
            }
            _ => format!("{name}={value}#x ;\t# {name}=y"),
        }
    }

    fn odd_file(&mut self) -> Vec<u8> {
        let count = 1 + self.below(5);
        let mut lines = Vec::new();
        for _ in 0..count {
            let line = if self.one_in(2) { self.plain_line() } else { self.line(0) };
            lines.push(line);
        }
        self.file(lines)
    }

    /// Tokens in any order: mostly errors, which shells must find where potconf does, or at least not deny.
    fn soup(&mut self) -> Vec<u8> {
        let tokens = [
            "POT_TMP=",
            "POT_TMP",
            "=",
            "a",
            " ",
            "\n",
            ";",
            "&",
            "|",
            "(",
            ")",
            "{",
            "}",
            "<",
            ">",
            "'",
            "\"",
            "`",
            "$",
            "\\",
            "#",
            "~",
            ":",
            "if ",
            "then ",
            "fi",
            "else ",
            "case a in ",
            "esac",
            "for POT_TMP in a",
            "; do ",
            "; done",
            "!",
            "[ ",
            " ]",
            "*",
            "1",
            "2>",
            "&&",
            "||",
            ";;",
            "$(",
            "${",
            "${POT_TMP",
            "f() ",
            "<<E\n",
            "\nE\n",
            "\r",
            "\t",
            "ä",
            "export ",
            "unset ",
            "POT_NETWORK=1",
            " POT_OTHER=2 ",
            "\\\n",
            "in",
            "{ ",
            "; }",
            "true",
            ":=",
            "%",
            "-",
            "+",
            "+=",
            "\u{b}",
            "\u{2003}",
            "\u{e4}=",
            "for\\\n",
        ];
        let count = 1 + self.below(9);
        let mut text: String = (0..count).map(|_| self.pick(&tokens)).collect();
        if self.one_in(2) {
            text.push('\n');
        }
        if self.one_in(2) {
            text = format!("POT_NETWORK=0\n{text}");
        }
        text.into_bytes()
    }

    /// Any bytes inside an otherwise plain file.
    fn bytes_in_quotes(&mut self) -> Vec<u8> {
        let mut file = b"POT_TMP=".to_vec();
        let quote = self.pick(&["'", "\"", ""]);
        file.extend_from_slice(quote.as_bytes());
        for _ in 0..self.below(6) {
            file.push(u8::try_from(1 + self.below(255)).unwrap());
        }
        file.extend_from_slice(quote.as_bytes());
        file.extend_from_slice(b"\nPOT_OTHER=1\n");
        file
    }

    fn hostile(&mut self) -> String {
        let pieces = [
            "$(touch x)",
            "`touch x`",
            "'",
            "\"",
            ";",
            "; touch x",
            "| touch x",
            "& touch x",
            "-",
            "--",
            "~",
            "~root",
            "!",
            "!!",
            "\\",
            "ä",
            "日本",
            "\u{2003}",
            " ",
            "\t",
            "#",
            " #",
            "$",
            "${POT_TMP}",
            "$POT_TMP",
            "$((1))",
            "*",
            "?",
            "[",
            "{a,b}",
            "=",
            ":~",
            "a",
            "10.0.0.0/8",
            ">x",
            "<x",
            "(",
            ")",
            "\r",
            "'\"'\"'",
            "\\n",
            "\\'",
            "%s",
            "$'x'",
            "&&",
            "||",
            "EOF",
            "\u{7f}",
            "\u{1}",
            "\u{feff}",
            "POT_TMP=1",
            "export",
            "\u{81}",
            "`",
            "$(",
            "${",
        ];
        (0..self.below(5)).map(|_| self.pick(&pieces)).collect()
    }
}

fn cases() -> usize {
    if std::env::var_os("POT_CONSOLE_LONG").is_some_and(|long| long == "1") { 20_000 } else { 1_000 }
}

const BATCH: usize = 250;

fn locale(batch: usize) -> &'static str {
    if batch.is_multiple_of(2) { "C" } else { "C.UTF-8" }
}

/// Files on which readings once differed, or which are easy to get wrong.
const FOUND: &[&[u8]] = &[
    b"POT_TMP=a\\",
    b"# POT_EXTRA_EXTIF=sample\nPO\\\nT_TMP=a[1]b\nPO\\\nT_TMP=/opt/pot\n",
    b"POT_TMP= POT_OTHER=${POT_TMP:=2}\n",
    b"POT_TMP=a\r\n",
    b"POT_TMP=a \r\n",
    b"\xef\xbb\xbfPOT_TMP=a\n",
    b"POT_TMP=\xe2\x80\x83a\n",
    b"# caf\xe9\nPOT_TMP=a\n",
    b"POT_TMP=1\nf() { POT_TMP=2; }\nif nosuch; then f() { POT_OTHER=3; }; fi\nf\n",
    b"POT_TMP=1; readonly POT_TMP; POT_OTHER=2\nPOT_TMP=3 true\n",
    b"POT_EXTRA_EXTIF=vlan20 vlan30\n",
    b"POT_TMP=1\nnosuch\n!\n",
    b"POT_TMP=1\nfor POT_OTHER do readonly POT_TMP=; done",
    b"POT_TMP=1\nf() { readonly POT_TMP=2; }\nfor POT_OTHER in a b; do f; done",
    b"POT_TMP=1\nnosuch >2>f",
    b"POT_TMP=1\ncat <<E\nPOT_TMP=2\nE",
    b"POT_TMP=1\n# a comment that ends in a backslash \\\nPOT_TMP=2\n",
    b"POT_TMP=a POT_OTHER\xc3\xa4=x\n",
    b"POT_TMP=a \xc3\xa4=\n",
    b"POT_TMP=\"\" POT_OTHER+=\n",
    b"POT_TMP=a\nPOT_OTHER+=b export POT_TMP=c\n",
    b"POT_TMP=a\nf() { for\\\n\n}\n",
    b"POT_TMP=a\nf() { case\\\n a in a) ;; esac; }\n",
    b"POT_TMP=a\nf() { {\\\n\n}\n",
    b"POT_TMP=a\nf() { {\\\n POT_OTHER=2\n}\nPOT_OTHER=1\n",
    b"POT_TMP=a\nf() { w\\\nhile\\\n false; do :; done; }\n",
];

#[test]
fn files_found_wrong_before_are_read_as_shells_read_them() {
    let files: Vec<Vec<u8>> = FOUND.iter().map(|file| file.to_vec()).collect();
    check(&files, "C");
    check(&files, "C.UTF-8");
}

#[test]
fn what_is_called_editable_has_the_value_that_all_shells_give() {
    let mut dice = Dice::new();
    let mut editable = 0;
    for batch in 0..cases() / BATCH {
        let files: Vec<Vec<u8>> = (0..BATCH)
            .map(|index| match index % 10 {
                0..=4 => dice.odd_file(),
                5..=7 => dice.soup(),
                8 => dice.bytes_in_quotes(),
                _ => dice.plain_file(),
            })
            .collect();
        editable += files.iter().filter(|file| configuration(file).trouble().is_none()).count();
        check(&files, locale(batch));
    }
    // Calling everything uncertain would pass as well.
    assert!(editable > cases() / 3, "only {editable} files have anything certain");
}

#[test]
fn files_of_plain_assignments_are_editable_throughout() {
    let mut dice = Dice::new();
    for batch in 0..cases() / BATCH {
        let files: Vec<Vec<u8>> = (0..BATCH).map(|_| dice.plain_file()).collect();
        for file in &files {
            let configuration = configuration(file);
            let settings = configuration.settings();
            let fixed = settings.iter().find(|setting| !setting.editable);
            assert!(fixed.is_none(), "{fixed:?} in\n{}", String::from_utf8_lossy(file));
            for name in NAMES {
                let set = configuration.own().assignments().any(|assignment| assignment.name == name);
                assert_eq!(configuration.setting(name).source == Source::PotConf, set);
            }
        }
        check(&files, locale(batch));
    }
}

/// The edit of a file: what it was before and is after.
struct Edited {
    name: &'static str,
    value: Option<String>,
    before: Vec<u8>,
    after: Vec<u8>,
}

#[test]
fn an_edit_gives_exactly_the_value_and_changes_nothing_else() {
    let mut dice = Dice::new();
    for batch in 0..cases() / BATCH {
        let mut edited: Vec<Edited> = Vec::new();
        while edited.len() < BATCH / 2 {
            let plain = !dice.one_in(3);
            let before = if plain { dice.plain_file() } else { dice.odd_file() };
            let name = dice.name();
            let value = if dice.one_in(5) { None } else { Some(dice.hostile()) };
            let edit = match &value {
                Some(value) => Edit::set(Name::try_from(name).unwrap(), value.as_str()),
                None => Edit::unset(Name::try_from(name).unwrap()),
            };
            let configuration = configuration(&before);
            match configuration.apply(&[edit]) {
                Ok(document) => {
                    let after = document.bytes().to_vec();
                    if after == before && configuration.trouble().is_some() {
                        // Nothing was to be done, so that was allowed.
                        continue;
                    }
                    edited.push(Edited { name, value, before, after });
                }
                Err(error) => {
                    let said = String::from_utf8_lossy(&before).into_owned();
                    assert!(!plain, "{error}, value {value:?} in a plain file:\n{said}");
                    if configuration.setting(name).editable {
                        assert!(matches!(error, EditError::Unverified { .. }), "{error} in:\n{said}");
                    }
                }
            }
        }
        for change in &edited {
            only_that_assignment(change);
        }
        let files: Vec<Vec<u8>> =
            edited.iter().flat_map(|change| [change.before.clone(), change.after.clone()]).collect();
        let (answers, folder) = ask(&files, locale(batch));
        for ((shell, _), seen) in SHELLS.iter().zip(&answers) {
            for (index, change) in edited.iter().enumerate() {
                let (Some(before), Some(after)) = (&seen[2 * index], &seen[2 * index + 1]) else {
                    panic!("{shell} stops at\n{}", String::from_utf8_lossy(&change.after));
                };
                for name in NAMES {
                    let expected = match &change.value {
                        Some(value) if name == change.name => Some(value.clone().into_bytes()),
                        None if name == change.name => default_of(name),
                        _ => before[name].clone(),
                    };
                    let said = String::from_utf8_lossy(&change.after);
                    assert_eq!(
                        after[name].as_deref().map(show),
                        expected.as_deref().map(show),
                        "{name} in {shell}:\n{said}"
                    );
                }
                let left = fs::read_dir(folder.path().join(format!("{shell}/{}", 2 * index + 1))).unwrap().count();
                let was = fs::read_dir(folder.path().join(format!("{shell}/{}", 2 * index))).unwrap().count();
                assert_eq!(left, was, "{shell} ran something in:\n{}", String::from_utf8_lossy(&change.after));
            }
        }
    }
}

fn default_of(name: &str) -> Option<Vec<u8>> {
    configuration(b"").value(name).map(|value| value.as_bytes().to_vec())
}

/// What differs are lines that an assignment of the name stood on, and at most one new line that holds it.
fn only_that_assignment(change: &Edited) {
    let configuration = configuration(&change.before);
    let bytes = &change.before;
    let mut own_lines = Vec::new();
    for assignment in configuration.own().assignments().filter(|assignment| assignment.name == change.name) {
        let lines = assignment.text.matches('\n').count();
        own_lines.extend(assignment.line..=assignment.line + lines);
    }
    let said = || format!("{}\n-- after:\n{}", String::from_utf8_lossy(bytes), String::from_utf8_lossy(&change.after));
    let old: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let new: Vec<&[u8]> = change.after.split(|byte| *byte == b'\n').collect();
    for (index, line) in old.iter().enumerate().filter(|(_, line)| !new.contains(*line)) {
        let number = index + 1;
        // Removing an assignment may take the pieces that joined it to others in the same command.
        let continues = |line: &usize| old[line - 1].ends_with(b"\\") || (*line > 1 && old[line - 2].ends_with(b"\\"));
        let joined = change.value.is_none()
            && own_lines.iter().any(|own| (*own.min(&number)..=*own.max(&number)).all(|line| continues(&line)));
        assert!(own_lines.contains(&number) || joined, "line {number}, {:?}, changed:\n{}", show(line), said());
    }
    let added = new.iter().filter(|line| !line.is_empty() && !old.contains(*line)).count();
    assert!(added <= own_lines.len().max(1), "{added} new lines:\n{}", said());
    let kept = String::from_utf8_lossy(&change.after);
    for comment in String::from_utf8_lossy(bytes).lines().filter(|line| line.starts_with("# ") && line.len() > 8) {
        assert!(kept.contains(comment), "{comment:?} is lost:\n{}", said());
    }
}
