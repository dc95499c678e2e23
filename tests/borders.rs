//! The borders between modules, read from the source itself: every path below `src/` is resolved and held against the
//! map in `src/lib.rs`.
//!
//! `cargo test --test borders roots_process -- --nocapture` prints, by module and by file, the lines that root's process
//! can run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its source fails")]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module as its path below the crate's root; the root itself is empty.
type Module = Vec<String>;

/// What one file names, outside of its tests.
#[derive(Debug, Default, Clone)]
struct Source {
    /// Paths as written, with the module that they stand in (a `mod x { … }` has its own) and their line.
    paths: Vec<(Module, Vec<String>, usize)>,
    /// What `pub use` hands on: by the name that it has here.
    handed_on: BTreeMap<String, Vec<String>>,
    /// Lines where a `pub use` begins.
    hands_on_at: BTreeSet<usize>,
    /// What any `use` brings in, by the module that it stands in and the name that it has there.
    brought_in: BTreeMap<(Module, String), Vec<String>>,
    /// The types that it gives methods to: the module of the `impl`, the type's path, the methods' names.
    methods: Vec<(Module, Vec<String>, BTreeSet<String>)>,
    /// The words of its own code, but for what a `use` says.
    says: BTreeSet<String>,
    /// The names of the functions that it calls, whatever they are called on.
    calls: BTreeSet<String>,
    /// Modules that are compiled for tests alone.
    test_modules: Vec<String>,
    /// Lines that hold code.
    lines: BTreeSet<usize>,
    /// Lines that say `unsafe` or ask which system this is.
    of_the_system: Vec<usize>,
}

/// Every file below `src/`.
struct Tree {
    files: BTreeMap<Module, Source>,
    /// The order of the top-level modules, the uppermost first.
    order: Vec<String>,
}

fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

fn words(module: &[String]) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("::") }
}

impl Source {
    fn of(module: &Module, text: &str) -> Self {
        let mut source = Self::default();
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", words(module)));
        source.read(module, tokens);
        source
    }

    fn read(&mut self, module: &Module, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            self.lines.insert(token.span().start().line);
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let is_test =
                        tokens.get(at + 1).is_some_and(|group| group.to_string().replace(' ', "") == "[cfg(test)]");
                    if is_test {
                        self.lines.remove(&token.span().start().line);
                        at = self.skip_item(&tokens, at);
                        continue;
                    }
                }
                TokenTree::Ident(word) if word == "use" => {
                    let is_public = is_public(&tokens[..at]);
                    let end = until_semicolon(&tokens, at);
                    for (path, name) in expand(&tokens[at + 1..end]) {
                        if is_public {
                            self.handed_on.insert(name.clone(), path.clone());
                            self.hands_on_at.insert(word.span().start().line);
                        }
                        self.brought_in.insert((module.clone(), name), path.clone());
                        self.paths.push((module.clone(), path, word.span().start().line));
                    }
                    self.lines.extend(
                        tokens[at..end].iter().flat_map(|token| token.span().start().line..=token.span().end().line),
                    );
                    at = end;
                    continue;
                }
                // `pub(crate)`, `pub(in crate::x)`: who may see it, not what it needs.
                TokenTree::Ident(word) if word == "pub" => {
                    if matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis && is_visibility(&group.stream()))
                    {
                        at += 2;
                        continue;
                    }
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                        (tokens.get(at + 1), tokens.get(at + 2))
                    {
                        let mut inner = module.clone();
                        inner.push(name.to_string());
                        self.read(&inner, body.stream());
                        at += 3;
                        continue;
                    }
                    // Its name is no word of this file's own code.
                    at += 2;
                    continue;
                }
                TokenTree::Ident(word) if word == "unsafe" || word == "target_os" => {
                    self.of_the_system.push(word.span().start().line);
                }
                TokenTree::Ident(word) if word == "impl" && begins_item(&tokens[..at]) => {
                    if let Some((path, methods)) = methods_at(&tokens[at + 1..]) {
                        self.methods.push((module.clone(), path, methods));
                    }
                }
                TokenTree::Ident(word) => {
                    let (path, end) = path_at(&tokens, at);
                    self.says.extend(path.iter().cloned());
                    let is_method =
                        at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(punct) if punct.as_char() == '.');
                    if is_method || path.len() > 1 {
                        self.calls.extend(path.last().cloned());
                    }
                    if path.len() > 1 {
                        self.paths.push((module.clone(), path, word.span().start().line));
                        at = end;
                        continue;
                    }
                }
                TokenTree::Group(group) => {
                    self.lines.insert(group.span_close().start().line);
                    self.read(module, group.stream());
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Whether a path is there for others alone: a `pub use` of a name that the file's own code does not say.
    fn only_hands_on(&self, path: &[String], line: usize) -> bool {
        self.hands_on_at.contains(&line)
            && self.handed_on.iter().any(|(name, known)| known == path && name != "*" && !self.says.contains(name))
    }

    /// Past an item that is compiled for tests alone; `at` is its attribute's `#`.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        while matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == '#') {
            at += 2;
        }
        let mut ends_with_semicolon = false;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if ["use", "const", "static", "type"].iter().any(|known| word == known) => {
                    ends_with_semicolon = true;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        self.test_modules.push(name.to_string());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !ends_with_semicolon => {
                    return at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        at
    }
}

/// Whether what follows is public: `pub`, or `pub(…)` in any form.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(word)] => word == "pub",
        [.., TokenTree::Ident(word), TokenTree::Group(group)] => word == "pub" && is_visibility(&group.stream()),
        _ => false,
    }
}

fn is_visibility(tokens: &TokenStream) -> bool {
    let first = tokens.clone().into_iter().next().map(|token| token.to_string());
    first.is_some_and(|word| ["crate", "super", "self", "in"].contains(&word.as_str()))
}

/// Whether an `impl` here is an item, not the type of something.
fn begins_item(before: &[TokenTree]) -> bool {
    match before.last() {
        None => true,
        Some(TokenTree::Punct(punct)) => punct.as_char() == ';',
        Some(TokenTree::Group(group)) => group.delimiter() != Delimiter::Parenthesis,
        Some(TokenTree::Ident(word)) => word == "unsafe",
        Some(TokenTree::Literal(_)) => false,
    }
}

/// The type's path and its methods, from what follows an `impl`; none when it is a trait's: those names (`from`, `next`)
/// are called on everything, and who makes a trait's object names its type.
fn methods_at(tokens: &[TokenTree]) -> Option<(Vec<String>, BTreeSet<String>)> {
    let body = tokens
        .iter()
        .position(|token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace))?;
    let is = |token: &TokenTree, mark| matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark);
    if tokens[..body].iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "for")) {
        return None;
    }
    // The type stands behind the marks of generics.
    let mut depth = 0_usize;
    let start = tokens[..body].iter().position(|token| {
        depth += usize::from(is(token, '<'));
        let outside = depth == 0;
        depth = depth.saturating_sub(usize::from(is(token, '>')));
        outside && matches!(token, TokenTree::Ident(_))
    })?;
    let TokenTree::Group(group) = &tokens[body] else { return None };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let names = inside.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "fn" => Some(name.to_string()),
        _ => None,
    });
    Some((path_at(tokens, start).0, names.collect()))
}

fn until_semicolon(tokens: &[TokenTree], from: usize) -> usize {
    let end =
        tokens[from..].iter().position(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';'));
    end.map_or(tokens.len(), |end| from + end)
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}

/// `a::b::c` from here, and where it ends.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !(is_colon(tokens.get(at)) && is_colon(tokens.get(at + 1))) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Every path of a `use` tree, with the name that it has afterwards.
fn expand(tokens: &[TokenTree]) -> Vec<(Vec<String>, String)> {
    let tokens = if is_colon(tokens.first()) { tokens.get(2..).unwrap_or_default() } else { tokens };
    let (mut path, mut at) = path_at(tokens, 0);
    match tokens.get(at) {
        Some(TokenTree::Group(group)) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                .filter(|part| !part.is_empty())
                .flat_map(expand)
                .map(|(rest, name)| {
                    let name = if rest == ["self"] { path.last().cloned().unwrap_or_default() } else { name };
                    let rest = rest.into_iter().filter(|word| word != "self");
                    (path.iter().cloned().chain(rest).collect(), name)
                })
                .collect()
        }
        Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => vec![(path, "*".to_owned())],
        other => {
            let mut name = path.last().cloned().unwrap_or_default();
            if matches!(other, Some(TokenTree::Ident(word)) if word == "as") {
                at += 1;
                name = tokens.get(at).map(ToString::to_string).unwrap_or_default();
            }
            if path.is_empty() {
                path.push(String::new());
            }
            vec![(path, name)]
        }
    }
}

impl Tree {
    /// What stands in `src/`, with the order that the map in `lib.rs` draws.
    fn own() -> Self {
        let mut texts = BTreeMap::new();
        collect(Path::new("src"), Path::new(""), &mut texts);
        Self::of(&texts)
    }

    fn of(texts: &BTreeMap<String, String>) -> Self {
        let mut files: BTreeMap<Module, Source> = BTreeMap::new();
        for (path, text) in texts.iter().filter(|(path, _)| *path != "main.rs") {
            let module = module_of(Path::new(path));
            files.insert(module.clone(), Source::of(&module, text));
        }
        let tests: Vec<Module> = files
            .iter()
            .flat_map(|(module, source)| {
                source.test_modules.iter().map(|name| module.iter().chain([name]).cloned().collect::<Module>())
            })
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let map = texts.get("lib.rs").map_or("", String::as_str);
        let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| row.contains('`'));
        let order = rows
            .flat_map(|row| row.split(" | ").next().unwrap_or_default().split(", "))
            .map(|name| name.trim_matches(['[', ']', '`']).to_owned())
            .collect();
        Self { files, order }
    }

    /// The file that a path leads to, through whatever hands its name on; none when it leads out of the crate.
    fn leads_to(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut target: Module = match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => from.iter().chain(&path[1..]).cloned().collect(),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                from.iter().take(from.len().checked_sub(ups)?).chain(&path[ups..]).cloned().collect()
            }
            first => {
                let child: Module = from.iter().cloned().chain([first.to_owned()]).collect();
                if !self.files.contains_key(&child) {
                    // A name that a `use` brought in; a crate's own name leads nowhere.
                    let file = (0..=from.len()).rev().find_map(|length| self.files.get(&from[..length]))?;
                    let brought = file.brought_in.get(&(from.clone(), first.to_owned()))?;
                    let whole: Vec<String> = brought.iter().chain(&path[1..]).cloned().collect();
                    return if brought.first()? == first { None } else { self.leads_to(from, &whole) };
                }
                from.iter().chain(path).cloned().collect()
            }
        };
        // Each name that is handed on leads further; a dozen steps are more than any.
        for _ in 0..12 {
            let known = (0..=target.len()).rev().find(|length| self.files.contains_key(&target[..*length]))?;
            let (module, rest) = (target[..known].to_vec(), target[known..].to_vec());
            let further = rest.first().and_then(|name| self.files.get(&module)?.handed_on.get(name));
            let Some(further) = further.filter(|further| **further != rest) else { return Some(module) };
            let next = self.leads_to_module(&module, further, &rest[1..])?;
            if next == target {
                return Some(module);
            }
            target = next;
        }
        None
    }

    fn leads_to_module(&self, from: &Module, path: &[String], rest: &[String]) -> Option<Module> {
        let whole: Vec<String> = path.iter().chain(rest).cloned().collect();
        match path.first()?.as_str() {
            "crate" => Some(whole[1..].to_vec()),
            "self" => Some(from.iter().chain(&whole[1..]).cloned().collect()),
            "super" => {
                let ups = whole.iter().take_while(|word| *word == "super").count();
                Some(from.iter().take(from.len().checked_sub(ups)?).chain(&whole[ups..]).cloned().collect())
            }
            first if self.files.contains_key(&[from.as_slice(), &[first.to_owned()]].concat()) => {
                Some([from.as_slice(), &whole].concat())
            }
            _ => None,
        }
    }

    /// (file, what it needs, line) for every path that leads to another file.
    fn needs(&self) -> impl Iterator<Item = (&Module, Module, usize)> {
        self.files.iter().flat_map(move |(file, source)| {
            source.paths.iter().filter_map(move |(module, path, line)| {
                let target = self.leads_to(module, path)?;
                (target != *file && !target.is_empty()).then_some((file, target, *line))
            })
        })
    }

    fn place(&self, top: &str) -> Option<usize> {
        self.order.iter().position(|known| known == top)
    }

    /// Modules of the map that are not there, and modules that are missing in it.
    fn map_problems(&self) -> Vec<String> {
        let tops: BTreeSet<&String> = self.files.keys().filter_map(|module| module.first()).collect();
        let missing = tops.iter().filter(|top| self.place(top).is_none()).map(|top| format!("{top} is not in the map"));
        let gone =
            self.order.iter().filter(|name| !tops.contains(name)).map(|name| format!("{name} is only in the map"));
        missing.chain(gone).collect()
    }

    fn upward(&self) -> Vec<String> {
        self.needs()
            .filter_map(|(file, target, line)| {
                let (own, other) = (file.first()?, target.first()?);
                let is_upward = own != other && self.place(other)? < self.place(own)?;
                is_upward.then(|| format!("{} line {line} uses {}, which stands above it", words(file), words(&target)))
            })
            .collect()
    }

    /// Files within one top-level module that need each other, in whatever many steps.
    fn circles(&self) -> BTreeSet<(String, Vec<String>)> {
        let mut edges: BTreeMap<(String, String), BTreeSet<(String, String)>> = BTreeMap::new();
        for (file, target, _) in self.needs() {
            if let ([top, one, ..], [other_top, other, ..]) = (file.as_slice(), target.as_slice())
                && top == other_top
                && one != other
            {
                edges.entry((top.clone(), one.clone())).or_default().insert((top.clone(), other.clone()));
            }
        }
        let reaches = |from: &(String, String)| {
            let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
            let mut next: Vec<_> = edges.get(from).into_iter().flatten().cloned().collect();
            while let Some(file) = next.pop() {
                if seen.insert(file.clone()) {
                    next.extend(edges.get(&file).into_iter().flatten().cloned());
                }
            }
            seen
        };
        let all: BTreeMap<_, _> = edges.keys().map(|file| (file.clone(), reaches(file))).collect();
        all.iter()
            .filter(|(file, reached)| reached.contains(file))
            .map(|(file, reached)| {
                let members = reached.iter().filter(|other| all.get(other).is_some_and(|back| back.contains(file)));
                (file.0.clone(), members.map(|(_, name)| name.clone()).collect())
            })
            .collect()
    }

    /// Crates of the web side that a module of root's side names.
    fn foreign_crates(&self) -> Vec<String> {
        let is_root_side =
            |top: &String| !["cli", "web", "audit", "activity", "client", "simulator"].contains(&top.as_str());
        let mut problems = Vec::new();
        for (file, source) in self.files.iter().filter(|(file, _)| file.first().is_some_and(is_root_side)) {
            for (_, path, line) in &source.paths {
                let first = path.first().map(String::as_str).unwrap_or_default();
                if ["tokio", "sqlx", "rustls", "askama", "futures_util"].contains(&first) || first.starts_with("actix")
                {
                    problems.push(format!("{} line {line} names {first}", words(file)));
                }
            }
        }
        problems
    }

    /// Who knows the simulated host, and what it knows.
    fn of_the_simulator(&self) -> Vec<String> {
        let may = |file: &Module| [&["cli", "demo"], &["cli", "simulate"]].iter().any(|known| file == known);
        let it_may = ["potconf", "facility", "layout", "diff", "digest", "secret", "bytes_as_base64", "platform"];
        self.needs()
            .filter_map(|(file, target, line)| {
                let (own, other) = (file.first()?.as_str(), target.first()?.as_str());
                let known = other == "simulator" && own != other && !may(file);
                let knows = own == "simulator" && own != other && !it_may.contains(&other);
                (known || knows).then(|| format!("{} line {line} uses {}", words(file), words(&target)))
            })
            .collect()
    }

    /// What the web side names that root's side alone runs, and what the messages between them cannot do without.
    fn across_the_socket(&self) -> Vec<String> {
        let is_web_side = |file: &Module| {
            file.first().is_some_and(|top| ["web", "audit", "activity", "client"].contains(&top.as_str()))
        };
        let is_roots = |file: &Module| {
            file.first().is_some_and(|top| ["operations", "accounts", "settings"].contains(&top.as_str()))
                || file.starts_with(&["host".to_owned(), "probes".to_owned()])
        };
        let named = self.needs().filter(|(file, target, _)| is_web_side(file) && is_roots(target));
        let mut problems: Vec<String> =
            named.map(|(file, target, line)| format!("{} line {line} uses {}", words(file), words(&target))).collect();
        let messages = self.closure(&[&["executor", "protocol"]]);
        let beyond = messages
            .iter()
            .filter(|file| is_web_side(file) || is_roots(file) || file.starts_with(&["host".to_owned()]));
        problems.extend(beyond.map(|file| format!("the messages need {}", words(file))));
        problems
    }

    fn of_the_system(&self) -> Vec<String> {
        let outside = self.files.iter().filter(|(file, _)| file.first().is_none_or(|top| top != "platform"));
        outside
            .flat_map(|(file, source)| {
                source.of_the_system.iter().map(move |line| format!("{} line {line}", words(file)))
            })
            .collect()
    }

    /// Every file that can be reached from one of these, and they themselves.
    fn closure(&self, from: &[&[&str]]) -> BTreeSet<Module> {
        let mut edges: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
        for (file, source) in &self.files {
            let own = source.paths.iter().filter(|(_, path, line)| !source.only_hands_on(path, *line));
            let needed = own.filter_map(|(module, path, _)| self.leads_to(module, path));
            edges.entry(file).or_default().extend(needed.filter(|target| target != file && !target.is_empty()));
        }
        let mut seen = BTreeSet::new();
        let mut next: Vec<Module> = from.iter().map(|path| path.iter().map(ToString::to_string).collect()).collect();
        while !next.is_empty() {
            while let Some(file) = next.pop() {
                if seen.insert(file.clone()) {
                    next.extend(edges.get(&file).into_iter().flatten().cloned());
                }
            }
            next.extend(self.adds_methods_to(&seen));
        }
        seen
    }

    /// Files beyond these that give a type of theirs a method which one of them calls, by its name.
    fn adds_methods_to(&self, seen: &BTreeSet<Module>) -> Vec<Module> {
        let calls: BTreeSet<&String> =
            seen.iter().filter_map(|file| self.files.get(file)).flat_map(|source| &source.calls).collect();
        let adds = |source: &Source| {
            source.methods.iter().any(|(module, path, names)| {
                names.iter().any(|name| calls.contains(name))
                    && self.leads_to(module, path).is_some_and(|file| seen.contains(&file))
            })
        };
        let beyond = self.files.iter().filter(|(file, _)| !seen.contains(*file));
        beyond.filter(|(_, source)| adds(source)).map(|(file, _)| file.clone()).collect()
    }
}

fn collect(folder: &Path, below: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(folder, &path, texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            texts.insert(path.display().to_string(), std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_borders_hold() {
    let tree = Tree::own();
    let none = [""; 0];
    assert_eq!(tree.map_problems(), none, "the map in src/lib.rs names every module");
    assert_eq!(tree.upward(), none, "no module uses one above it");
    assert_eq!(tree.circles(), BTreeSet::new(), "no files of a module need each other in a circle");
    assert_eq!(tree.foreign_crates(), none, "root's side names no crate of the web side");
    assert_eq!(tree.across_the_socket(), none, "plans, probes and accounts are root's; messages are data");
    assert_eq!(tree.of_the_simulator(), none, "only demo and simulate know the simulated host");
    assert_eq!(tree.of_the_system(), none, "only platform has unsafe code and tells systems apart");
}

/// What root's process can run, by top-level module, as `docs/security.md` has it.
#[test]
fn roots_process_runs_nothing_of_the_web_side_and_the_documents_say_what() {
    let tree = Tree::own();
    let mut modules: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let closure = tree.closure(&[&["executor", "processes"], &["executor", "tls"], &["executor", "local"]]);
    for file in &closure {
        let Some(source) = tree.files.get(file) else { continue };
        let sum = modules.entry(file.first().map_or("lib", String::as_str)).or_default();
        sum.0 += 1;
        sum.1 += source.lines.len();
    }
    let all: usize = modules.values().map(|(_, lines)| lines).sum();
    println!("root's process: {all} lines of code");
    for (name, (files, lines)) in &modules {
        println!("{name:<16} {lines:>6} lines in {files} files");
    }
    println!();
    for file in &closure {
        println!("{:>6} {}", tree.files.get(file).map_or(0, |source| source.lines.len()), words(file));
    }
    let page = std::fs::read_to_string("docs/security.md").unwrap();
    let (figure, said) =
        page.split("## What root runs").nth(1).and_then(|rest| rest.split_once("in all")).unwrap_or_default();
    let figure = figure.split_whitespace().next_back().and_then(|figure| figure.replace(',', "").parse::<usize>().ok());
    let is_near = figure.is_some_and(|figure| figure.abs_diff(all) * 20 < all);
    assert!(is_near, "docs/security.md says {figure:?} lines, and there are {all}");
    let said: BTreeSet<&str> = said
        .split_once(":\n")
        .and_then(|(_, rest)| rest.split_once('.'))
        .map(|(list, _)| list.split(',').map(str::trim).collect())
        .unwrap_or_default();
    assert_eq!(said, modules.keys().copied().collect(), "docs/security.md names what root runs");
    for outside in ["web", "audit", "activity", "client", "simulator"] {
        assert!(!modules.contains_key(outside), "root's process runs {outside}");
    }
}

#[test]
fn each_border_is_seen_when_it_is_crossed() {
    let map = "//! | [`web`] | pages |\n//! | [`executor`] | root |\n//! | [`files`] | files |\n//! | `simulator` | |\n\
               //! | [`platform`] | |\n";
    let tree = |changed: &[(&str, &str)]| {
        let mut texts: BTreeMap<String, String> = [
            ("lib.rs", map),
            ("web/mod.rs", "mod page; use crate::executor::Executor;"),
            ("web/page.rs", "use super::super::files;"),
            ("executor/mod.rs", "mod core; pub use core::Executor;"),
            ("executor/core.rs", "pub struct Executor; fn open() { crate::files::read() }"),
            ("files.rs", "#[cfg(test)]\nmod tests { use crate::web; fn a() { unsafe {} } }\npub fn read() {}"),
            ("simulator.rs", ""),
            ("platform.rs", "#[cfg(target_os = \"linux\")] fn a() { unsafe {} }"),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        texts.extend(changed.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        Tree::of(&texts)
    };
    let sound = tree(&[]);
    let none = [""; 0];
    assert_eq!(sound.map_problems(), none);
    assert_eq!(sound.upward(), none);
    assert!(sound.circles().is_empty());
    assert_eq!(sound.foreign_crates(), none);
    assert_eq!(sound.across_the_socket(), none);
    assert_eq!(sound.of_the_simulator(), none);
    assert_eq!(sound.of_the_system(), none);

    assert_eq!(tree(&[("other.rs", "")]).map_problems(), ["other is not in the map"]);
    for up in [
        "use crate::executor::Executor;",
        "fn a() { println!(\"{}\", crate::executor::core::x) }",
        "use super::executor::{self as e};",
    ] {
        assert_eq!(tree(&[("files.rs", up)]).upward().len(), 1, "{up}");
    }
    let circle = tree(&[
        ("executor/core.rs", "use super::other::a; pub struct Executor;"),
        ("executor/other.rs", "pub fn a() -> super::Executor { super::Executor }"),
    ]);
    assert_eq!(circle.circles(), [("executor".to_owned(), vec!["core".to_owned(), "other".to_owned()])].into());
    for crates in ["use tokio::time;", "fn a() { actix_web::rt::spawn(b) }", "type A = sqlx::Pool;", "use ::rustls;"] {
        assert_eq!(tree(&[("executor/core.rs", crates)]).foreign_crates().len(), 1, "{crates}");
    }
    let rooted = [("operations.rs", ""), ("host/mod.rs", "pub mod probes;"), ("host/probes.rs", "")];
    for crossing in [
        ("web/page.rs", "fn a() { crate::operations::plan() }"),
        ("web/page.rs", "use crate::host; fn a() { host::probes::gather() }"),
        ("executor/protocol.rs", "use crate::operations;"),
    ] {
        let crossed = tree(&[rooted.as_slice(), &[crossing]].concat());
        assert_eq!(crossed.across_the_socket().len(), 1, "{crossing:?}");
    }
    assert_eq!(tree(&[("web/page.rs", "use crate::simulator;")]).of_the_simulator().len(), 1);
    assert_eq!(tree(&[("simulator.rs", "use crate::files;")]).of_the_simulator().len(), 1);
    for system in [
        "fn a() { unsafe { b() } }",
        "fn a() { if cfg!(target_os = \"freebsd\") {} }",
        "#[cfg(target_os = \"linux\")] fn a() {}",
    ] {
        assert_eq!(tree(&[("files.rs", system)]).of_the_system().len(), 1, "{system}");
    }
    let root = sound.closure(&[&["executor", "core"]]);
    assert_eq!(root.into_iter().map(|file| words(&file)).collect::<Vec<_>>(), ["executor::core", "files"]);
}

#[test]
fn what_root_reaches_by_an_imported_name_or_a_method_is_counted() {
    let tree = Tree::of(
        &[
            ("lib.rs", ""),
            ("executor/mod.rs", "mod core; mod more; mod shown; pub use shown::words;"),
            ("executor/core.rs", "use crate::files; pub struct Executor; fn a() { files::deep::read(); self.more() }"),
            ("executor/more.rs", "impl super::core::Executor { pub fn more(&self) { crate::platform::a() } }"),
            ("executor/shown.rs", "pub fn words() {} impl super::core::Executor { pub fn words(&self) {} }"),
            ("files/mod.rs", "pub mod deep; mod kept; pub use kept::Backup;"),
            ("files/deep.rs", "use super::Backup as Kept; fn a() { Kept::new() }"),
            ("files/kept.rs", "pub struct Backup;"),
            ("platform.rs", ""),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into(),
    );
    let reached: Vec<String> = tree.closure(&[&["executor", "core"]]).iter().map(|file| words(file)).collect();
    let expected = ["executor::core", "executor::more", "files", "files::deep", "files::kept", "platform"];
    assert_eq!(reached, expected, "and not what `executor` only hands on to others");
}
