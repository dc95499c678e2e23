//! /feedback: the guide's three questions to whoever removes pot, or has something to say. Stored on this host first;
//! sent only when that is ticked, which takes an operator.

use super::error::{Fault, with_retry};
use super::layout::{self, Entry, Frame, Notice};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{Command, FeedbackStored};
use crate::refusal::RefusalKind;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/feedback", web::get().to(show)).route("/feedback", web::post().to(give));
}

/// `templates/feedback/feedback.html`.
#[derive(Template)]
#[template(path = "feedback/feedback.html")]
struct Page {
    frame: Frame,
    given: Given,
    stored: Option<Stored>,
}

/// What the form holds.
#[derive(Default)]
struct Given {
    wrong: String,
    missing: String,
    usability: String,
    name: String,
    reply_to: String,
    send: bool,
}

/// What came of it.
struct Stored {
    text: String,
    recipient: String,
    mailto: String,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    page(&visitor, StatusCode::OK, Given::default(), None, None)
}

fn page(
    visitor: &Visitor,
    status: StatusCode,
    given: Given,
    stored: Option<Stored>,
    notice: Option<Notice>,
) -> Result<HttpResponse, Fault> {
    let frame = visitor.frame(Entry::Feedback, Entry::Feedback.label()).with_notice(notice);
    layout::page(status, &Page { frame, given, stored })
}

async fn give(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let given = Given {
        wrong: text("wrong"),
        missing: text("missing"),
        usability: text("usability"),
        name: text("name"),
        reply_to: text("reply_to"),
        send: form.has("send"),
    };
    let command = Command::Feedback {
        wrong: given.wrong.clone(),
        missing: given.missing.clone(),
        usability: given.usability.clone(),
        name: form.text("name").map(str::to_owned),
        reply_to: form.text("reply_to").map(str::to_owned),
        send: given.send,
    };
    match visitor.ask(command).await {
        Ok(FeedbackStored { sent, answer, text, recipient }) => {
            let notice = match sent {
                None => Notice::done("Stored on this host. Nothing was sent."),
                Some(true) => Notice::done(format!("Stored, and handed to this host's mailer. {answer}")),
                Some(false) => Notice::attention(format!(
                    "Stored. It could not be sent: {answer}. Below is the text to send yourself."
                )),
            };
            let mailto = format!(
                "mailto:{}?subject={}&body={}",
                layout::query_value(&recipient).replace("%40", "@"),
                layout::query_value("Feedback on pot"),
                // RFC 6068 wants line ends as CRLF.
                layout::query_value(&text.replace('\n', "\r\n"))
            );
            let stored = Stored { text, recipient, mailto };
            page(&visitor, StatusCode::OK, Given::default(), Some(stored), Some(notice))
        }
        Err(refusal)
            if matches!(
                refusal.kind,
                RefusalKind::Limit
                    | RefusalKind::NotRecorded
                    | RefusalKind::Failed
                    | RefusalKind::Busy
                    | RefusalKind::Throttled
            ) =>
        {
            let status = actix_web::ResponseError::status_code(&Fault::from(refusal.clone()));
            let page = page(&visitor, status, given, None, Some(Notice::failed(refusal.message)))?;
            Ok(with_retry(page, refusal.kind))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
