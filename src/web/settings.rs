//! Settings: one's own password and session, the accounts for admins, and what root set in the settings file.

use super::error::{Fault, with_retry};
use super::layout::{self, Entry, Frame, Notice, query_value, see_other};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{AccountView, Command, SessionView, SettingSource, SettingView, SettingsView};
use crate::journal::record::Role;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::theme::Theme;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError as _, web};
use askama::Template;
use futures_util::future::join;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/settings", web::get().to(show))
        .route("/settings/password", web::post().to(change_password))
        .route("/settings/theme", web::post().to(set_theme))
        .route("/settings/prove", web::post().to(prove))
        .route("/settings/accounts", web::post().to(add_account))
        .route("/settings/accounts/{name}/role", web::post().to(set_role))
        .route("/settings/accounts/{name}/disabled", web::post().to(set_disabled));
}

/// `templates/settings/settings.html`.
#[derive(Template)]
#[template(path = "settings/settings.html")]
struct Page {
    frame: Frame,
    session: SessionView,
    /// For admins.
    accounts: Option<Vec<AccountView>>,
    /// Root's, for everybody to read.
    settings: SettingsView,
    /// What was refused, and in which form: `password`, `prove`, `theme`, `add`, `accounts`.
    problem: Option<(&'static str, Refusal)>,
    /// What was typed into "Add an account", without the password.
    typed_name: String,
    typed_role: Role,
}

impl Page {
    fn problem_in(&self, form: &str) -> Option<&Refusal> {
        self.problem.as_ref().filter(|(of, _)| *of == form).map(|(_, refusal)| refusal)
    }

    fn is_own(&self, account: &AccountView) -> bool {
        account.name == self.session.name
    }

    /// How many settings have a value that somebody chose.
    fn chosen(&self) -> usize {
        self.settings.settings.iter().filter(|setting| setting.source != SettingSource::Default).count()
    }

    fn source(setting: &SettingView) -> &'static str {
        match setting.source {
            SettingSource::Default => "default",
            SettingSource::File => "set",
            SettingSource::Start => "given at the start",
        }
    }

    const THEMES: [Theme; 3] = Theme::ALL;

    fn looks(theme: Theme) -> &'static str {
        match theme {
            Theme::System => "light or dark, as the browser’s system has it",
            Theme::Light => "always light",
            Theme::Dark => "always dark",
        }
    }

    const ROLES: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    fn may_do(role: Role) -> &'static str {
        match role {
            Role::Viewer => "sees everything, changes nothing",
            Role::Operator => "saves the configuration and runs what destroys nothing",
            Role::Admin => "may do everything, accounts included",
        }
    }
}

#[derive(serde::Deserialize)]
struct Did {
    done: Option<String>,
    name: Option<String>,
}

async fn show(visitor: Visitor, query: web::Query<Did>) -> Result<HttpResponse, Fault> {
    let name = query.name.as_deref().unwrap_or_default();
    let notice = match query.done.as_deref() {
        Some("password") => Some(Notice::done("Your password is changed.")),
        Some("proved") => Some(Notice::done("Thank you. For five minutes nothing asks for your password again.")),
        Some("theme") => Some(Notice::done("Your pages look so from now on, on every device that you sign in with.")),
        Some("added") => Some(Notice::done(format!("Account {name} is added."))),
        Some("role") => Some(Notice::done(format!("The role of {name} is changed."))),
        Some("disabled") => Some(Notice::done(format!("Account {name} is disabled, its sessions have ended."))),
        Some("enabled") => Some(Notice::done(format!("Account {name} is enabled again."))),
        _ => None,
    };
    page(&visitor, notice, None, String::new(), Role::Viewer).await
}

async fn page(
    visitor: &Visitor,
    notice: Option<Notice>,
    problem: Option<(&'static str, Refusal)>,
    typed_name: String,
    typed_role: Role,
) -> Result<HttpResponse, Fault> {
    let accounts =
        async { if visitor.may(Role::Admin) { visitor.ask(Command::Accounts {}).await.map(Some) } else { Ok(None) } };
    // What was tried may have changed the session.
    let session = if problem.is_some() { visitor.ask(Command::Session {}).await? } else { visitor.session.clone() };
    let (accounts, settings) = join(accounts, visitor.ask(Command::Settings {})).await;
    let (accounts, settings): (_, SettingsView) = (accounts?, settings?);
    let status = match &problem {
        Some((_, refusal)) => Fault::Refused(refusal.clone()).status_code(),
        None => StatusCode::OK,
    };
    let frame = visitor.frame(Entry::Settings, Entry::Settings.label()).with_notice(notice);
    layout::page(status, &Page { frame, session, accounts, settings, problem, typed_name, typed_role })
}

/// Redirects when it was done, shows the page with the refusal beside its form when it was not.
async fn answer(
    visitor: &Visitor,
    result: Result<(), Refusal>,
    form: &'static str,
    done: &str,
    typed: (String, Role),
) -> Result<HttpResponse, Fault> {
    match result {
        Ok(()) => Ok(see_other(&format!("/settings?{done}"))),
        Err(refusal) if refusal.kind == RefusalKind::SignInNeeded => Err(Fault::SignIn),
        Err(refusal) => {
            let kind = refusal.kind;
            Ok(with_retry(page(visitor, None, Some((form, refusal)), typed.0, typed.1).await?, kind))
        }
    }
}

async fn change_password(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let new = form.get("new").unwrap_or_default();
    let result = if form.get("repeated") == Some(new) {
        let old = Secret(form.get("old").unwrap_or_default().to_owned());
        visitor.ask(Command::ChangePassword { old, new: Secret(new.to_owned()) }).await
    } else {
        Err(Refusal::new(RefusalKind::Limit, "The two new passwords differ. Nothing was changed.").on("repeated"))
    };
    answer(&visitor, result, "password", "done=password", (String::new(), Role::Viewer)).await
}

async fn prove(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let password = Secret(form.get("password").unwrap_or_default().to_owned());
    let result = visitor.ask::<SessionView>(Command::Prove { password }).await.map(drop);
    answer(&visitor, result, "prove", "done=proved", (String::new(), Role::Viewer)).await
}

async fn set_theme(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let theme = form
        .get("theme")
        .and_then(Theme::named)
        .ok_or_else(|| Fault::Invalid("The theme must be system, light or dark.".to_owned()))?;
    let result = visitor.ask(Command::SetTheme { theme }).await;
    answer(&visitor, result, "theme", "done=theme", (String::new(), Role::Viewer)).await
}

fn role_of(form: &Form) -> Result<Role, Fault> {
    match form.get("role") {
        Some("viewer") => Ok(Role::Viewer),
        Some("operator") => Ok(Role::Operator),
        Some("admin") => Ok(Role::Admin),
        _ => Err(Fault::Invalid("The role must be viewer, operator or admin.".to_owned())),
    }
}

async fn add_account(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let name = form.text("name").unwrap_or_default().to_owned();
    let role = role_of(&form)?;
    let password = Secret(form.get("password").unwrap_or_default().to_owned());
    let result = visitor.ask(Command::AddAccount { name: name.clone(), role, password }).await;
    let done = format!("done=added&name={}", query_value(&name));
    answer(&visitor, result, "add", &done, (name, role)).await
}

async fn set_role(visitor: Visitor, name: web::Path<String>, form: Form) -> Result<HttpResponse, Fault> {
    let name = name.into_inner();
    let result = visitor.ask(Command::SetRole { name: name.clone(), role: role_of(&form)? }).await;
    let done = format!("done=role&name={}", query_value(&name));
    answer(&visitor, result, "accounts", &done, (String::new(), Role::Viewer)).await
}

async fn set_disabled(visitor: Visitor, name: web::Path<String>, form: Form) -> Result<HttpResponse, Fault> {
    let name = name.into_inner();
    let disabled = form.get("disabled") == Some("true");
    let result = visitor.ask(Command::SetDisabled { name: name.clone(), disabled }).await;
    let done = format!("done={}&name={}", if disabled { "disabled" } else { "enabled" }, query_value(&name));
    answer(&visitor, result, "accounts", &done, (String::new(), Role::Viewer)).await
}
