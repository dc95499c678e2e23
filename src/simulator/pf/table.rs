//! Tables: `table <NAME> …`, the files that they are filled from, and their names in rules.

use super::addresses::Address;
use super::grammar::Parser;
use super::peers;
use super::tokens::{Taken, Tokens};

/// Tables' names are shorter than this.
const TABLE_NAME: usize = 32;

impl Parser<'_> {
    /// `table <NAME> options { addresses }`
    pub fn table(&mut self) -> Taken<()> {
        self.tokens.shift();
        self.tokens.expect_sign(b'<')?;
        let name = self.tokens.text()?;
        self.tokens.expect_sign(b'>')?;
        let mut options = String::new();
        let mut shown = String::new();
        let mut addresses = Vec::new();
        let mut sources: Vec<Option<String>> = Vec::new();
        let mut empty_list = false;
        loop {
            if self.tokens.is_text() {
                let option = self.tokens.text()?;
                if !matches!(option.as_str(), "const" | "persist" | "counters") {
                    return self.tokens.refuse(format_args!("invalid table option '{option}'"));
                }
                if !options.contains(&format!(" {option}")) {
                    options.push_str(&format!(" {option}"));
                }
            } else if self.tokens.key("file") {
                let file = self.tokens.text()?;
                shown.push_str(&format!(" file \"{file}\""));
                sources.push(Some(file));
            } else if self.tokens.sign(b'{') {
                self.tokens.newlines();
                if self.tokens.sign(b'}') {
                    empty_list = true;
                    continue;
                }
                let found = peers::host_items(&mut self.tokens)?;
                // A list with `any` in it is empty.
                for host in found.unwrap_or_default() {
                    let wrong = match host.address {
                        Address::Net(..) => {
                            let not = if host.not { "!" } else { "" };
                            let text = format!("{not}{}", host.text(host.family));
                            shown.push_str(&format!(" {{ {text} }}"));
                            addresses.push(text);
                            continue;
                        }
                        Address::Range(..) => "address ranges are not permitted inside tables",
                        Address::Interface { .. } | Address::None => {
                            "dynamic addresses are not permitted inside tables"
                        }
                        Address::Table(_) => "tables cannot contain tables",
                        Address::NoRoute => "\"no-route\" is not permitted inside tables",
                        Address::UrpfFailed => "\"urpf-failed\" is not permitted inside tables",
                    };
                    return self.tokens.refuse(wrong);
                }
                sources.push(None);
            } else {
                break;
            }
        }
        self.tokens.complete()?;
        if name.len() >= TABLE_NAME {
            return self.tokens.refuse(format_args!("table name too long, max {} chars", TABLE_NAME - 1));
        }
        for file in sources.into_iter().flatten() {
            addresses.extend(table_file(&mut self.tokens, &file)?);
        }
        let list = if shown.is_empty() && empty_list { " { }".to_owned() } else { shown.replace(" } {", "") };
        self.say(format!("table <{name}>{options}{list}"));
        if let [_] = self.sheets.open.as_slice() {
            self.parsed.tables.insert(name, addresses);
        }
        Ok(())
    }
}

/// The addresses in a table's file.
fn table_file(tokens: &mut Tokens<'_>, file: &str) -> Taken<Vec<String>> {
    let Some(text) = (tokens.read)(file) else {
        return tokens.refuse(format_args!("cannot load \"{file}\": No such file or directory"));
    };
    let mut addresses = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        // A sign of comments counts where a word begins.
        let words = line.split_whitespace().take_while(|word| !word.starts_with(['#', ';']));
        for word in words {
            let bare = word.trim_start_matches('!');
            let not = if (word.len() - bare.len()) % 2 == 1 { "!" } else { "" };
            match super::addresses::look_up(tokens.state, tokens.read, bare) {
                Ok(hosts) => {
                    addresses.extend(hosts.iter().map(|host| format!("{not}{}", host.text(host.family))));
                }
                Err(said) => {
                    tokens.lexer.messages.extend(said);
                    return tokens.refuse(format_args!("file \"{file}\" contains bad data"));
                }
            }
        }
    }
    Ok(addresses)
}

/// `<NAME>`
pub(super) fn table_name(tokens: &mut Tokens<'_>) -> Taken<String> {
    tokens.expect_sign(b'<')?;
    let name = tokens.text()?;
    tokens.expect_sign(b'>')?;
    if name.len() >= TABLE_NAME {
        return tokens.refuse(format_args!("table name '{name}' too long"));
    }
    Ok(name)
}
