//! `audit export`.

use super::{Filters, part};
use crate::audit::{Act, CSV_HEAD, Filter, csv_line, json_line};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::executor::protocol::{Command, ExportFormat};
use crate::journal::record::Stage;
use crate::refusal::Refusal;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// Comma-separated values
    Csv,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

pub(super) fn export(global: &Global, filters: &Filters, form: Option<Form>) -> anyhow::Result<Exit> {
    let filter = filters.filter()?;
    let form = form.unwrap_or(if global.format == Format::Json { Form::Json } else { Form::Jsonl });
    let format = match form {
        Form::Csv => ExportFormat::Csv,
        Form::Json => ExportFormat::Json,
        Form::Jsonl => ExportFormat::Jsonl,
    };
    let mut local = Local::open(&global.layout())?;
    if let Err(refusal) = local.ask::<()>(Command::RecordExport { format, filter: filters.in_words() }) {
        return Ok(refused(&refusal));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match write_acts(&mut local, &filter, form, &mut out) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => Ok(refused(&refusal)),
            // Whoever reads has had enough.
            Err(error) if is_closed_pipe(&error) => Ok(Exit::Done),
            Err(error) => Err(error),
        },
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Acts oldest first. An act waits until its outcome is met; what follows it waits with it, so that the order stays.
fn write_acts(local: &mut Local, filter: &Filter, form: Form, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    /// Acts that wait for the oldest one's outcome at most: one that never ended must not hold everything.
    const MOST_WAITING: usize = 10_000;
    let mut written = 0_u64;
    let mut write = |out: &mut dyn std::io::Write, act: &Act| -> std::io::Result<()> {
        if !filter.admits(act) {
            return Ok(());
        }
        written += 1;
        match form {
            Form::Csv => out.write_all(csv_line(act).as_bytes()),
            Form::Json => write!(out, "{}{}", if written == 1 { "" } else { ",\n" }, json_line(act)),
            Form::Jsonl => writeln!(out, "{}", json_line(act)),
        }
    };
    match form {
        Form::Csv => out.write_all(CSV_HEAD.as_bytes())?,
        Form::Json => out.write_all(b"[\n")?,
        Form::Jsonl => {}
    }
    let mut waiting: BTreeMap<u64, Act> = BTreeMap::new();
    let mut after = 0;
    loop {
        let some = part(local, after, 1000)?.records;
        let Some(last) = some.last().map(|record| record.sequence) else { break };
        after = last;
        for record in some {
            if record.entry.stage == Stage::Outcome {
                let act = record.ends_act().and_then(|intent| waiting.get_mut(&intent));
                // The first one counts; what is no intent does not end.
                if let Some(act) = act.filter(|act| act.record.entry.stage == Stage::Intent && act.ended.is_none()) {
                    act.ended = Some(record);
                }
            } else {
                waiting.insert(record.sequence, Act { record, ended: None });
            }
            while let Some(oldest) = waiting.first_entry() {
                let open = oldest.get().record.entry.stage == Stage::Intent && oldest.get().ended.is_none();
                if open && waiting.len() < MOST_WAITING {
                    break;
                }
                if let Some((_, act)) = waiting.pop_first() {
                    write(out, &act)?;
                }
            }
        }
    }
    for act in waiting.values() {
        write(out, act)?;
    }
    if form == Form::Json {
        out.write_all(b"\n]\n")?;
    }
    out.flush()?;
    Ok(())
}
