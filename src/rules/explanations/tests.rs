use super::{Example, ExampleHost, Explanation, explanation, explanations};
use crate::rules::example::configuration;
use crate::rules::{Finding, Severity, Subject, check, host_not_asked};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn found(example: Example) -> Vec<Finding> {
    let configuration = configuration(example.file);
    let facts = example.host.facts();
    let subject = Subject::new(&configuration).on(facts.as_ref()).asked_from(example.host.admin());
    let mut findings = check(&subject);
    findings.extend(facts.as_ref().and_then(host_not_asked));
    findings
}

#[test]
fn the_wrong_example_of_every_code_is_found_and_the_right_one_is_not() {
    let mut wrong = Vec::new();
    for one in explanations() {
        let Explanation { code, severities, .. } = one;
        let findings = found(one.wrong);
        match findings.iter().find(|finding| finding.code == *code) {
            None => wrong.push(format!("{code}: the wrong example gives {findings:?}")),
            Some(finding) if !severities.contains(&finding.severity) => {
                wrong.push(format!("{code}: {:?} is none of {severities:?}", finding.severity));
            }
            Some(_) => {}
        }
        let left: Vec<Finding> = found(one.right)
            .into_iter()
            .filter(|finding| finding.code == *code || finding.severity == Severity::Error)
            .collect();
        if !left.is_empty() {
            wrong.push(format!("{code}: the right example gives {left:?}"));
        }
        // Who compares the two must see a difference.
        let same_host = one.wrong.host == one.right.host;
        assert!(!(same_host && one.wrong.file == one.right.file), "{code}: both examples are the same");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The codes that stand in the rules, each with the severities that it is given there.
fn codes_of_the_rules() -> BTreeMap<String, BTreeSet<Severity>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut codes: BTreeMap<String, BTreeSet<Severity>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "rs") || path.ends_with("example.rs") || path.ends_with("advice.rs")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let severities = [
            ("Finding::error(", Severity::Error),
            ("Finding::warning(", Severity::Warning),
            ("Finding::notice(", Severity::Notice),
        ];
        for (call, severity) in severities {
            for rest in text.split(call).skip(1) {
                if let Some((code, _)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                    codes.entry(code.to_owned()).or_default().insert(severity);
                }
            }
        }
        // Codes that are chosen among others before their finding is made are errors. Nothing else in the rules is
        // written like one but what stands here.
        const OTHERS: [&str; 4] = ["public-bridge", "private-bridge", "pot-nat", "vm-public"];
        for word in text.split('"').skip(1).step_by(2) {
            let is_code = word.contains('-')
                && word.split('-').all(|part| {
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                })
                && !word.starts_with(|letter: char| letter.is_ascii_digit());
            if is_code && !OTHERS.contains(&word) && !codes.contains_key(word) {
                codes.entry(word.to_owned()).or_default().insert(Severity::Error);
            }
        }
    }
    codes
}

#[test]
fn no_code_of_the_rules_is_without_its_page_and_no_page_without_its_code() {
    let rules = codes_of_the_rules();
    let pages: BTreeMap<String, BTreeSet<Severity>> =
        explanations().map(|one| (one.code.to_owned(), one.severities.iter().copied().collect())).collect();
    assert_eq!(pages.len(), explanations().count(), "two pages have one code");
    assert_eq!(pages, rules);
    assert!(rules.len() > 80, "{}", rules.len());
    assert!(explanation("no-such-code").is_none());
}

#[test]
fn every_page_is_written_in_sentences() {
    let mut hosts = BTreeSet::new();
    for one in explanations() {
        for (what, text) in [("means", one.means), ("pot", one.pot)] {
            assert!(text.ends_with('.') && !text.contains("  "), "{}: {what}: {text}", one.code);
            assert!(text.matches('`').count() % 2 == 0, "{}: {what}: {text}", one.code);
        }
        for text in [one.title, one.source] {
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains("  "), "{}: {text}", one.code);
            assert!(text.matches('`').count() % 2 == 0, "{}: {text}", one.code);
        }
        for example in [one.wrong, one.right] {
            hosts.insert(example.host);
            assert!(example.file.is_empty() || example.file.ends_with('\n'), "{}", one.code);
            // An example that says nothing of its file says something of its host.
            assert!(!example.file.is_empty() || example.host != ExampleHost::Any, "{}", one.code);
        }
    }
    let words: BTreeSet<&str> = hosts.iter().map(|host| host.in_words()).collect();
    assert_eq!(words.len(), hosts.len(), "two hosts are told in the same words");
}
