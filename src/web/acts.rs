//! What someone can do next, as links: the model's acts with the addresses of the pages that do them.

use super::layout::{self, Button};
use crate::host::{Act, Lead, Offer};
use crate::potconf::parameter;

/// An act as a link. Who may change nothing looks at a plan.
pub(super) fn button(offer: &Offer, may: bool) -> Button {
    let label = match offer.label.strip_prefix("Plan ").filter(|_| !may) {
        Some(what) => format!("Look at {}", what.replacen("it", "the plan", usize::from(what == "it"))),
        None => offer.label.clone(),
    };
    Button { label, address: address(&offer.act), main: offer.main }
}

/// What comes after something that was done: the buttons of the one thing to do now, but for those that lead back to the
/// page at `here`.
pub(super) fn next(lead: Option<&Lead>, here: &str, may: bool) -> Vec<Button> {
    let offers = lead.into_iter().flat_map(|lead| &lead.acts);
    offers.map(|offer| button(offer, may)).filter(|button| !button.address.starts_with(here)).collect()
}

/// Where something is done.
pub(super) fn address(act: &Act) -> String {
    match act {
        Act::Prepare(items) => {
            let items: Vec<String> =
                items.iter().map(|item| format!("items={}", layout::query_value(item.name()))).collect();
            format!("/operations/prepare?{}", items.join("&"))
        }
        Act::Configure => "/configuration".to_owned(),
        Act::ConfigureText => "/configuration/file".to_owned(),
        Act::Init => "/operations/init".to_owned(),
        Act::VnetStart => "/operations/vnet-start".to_owned(),
        Act::Versions => "/history/files/pot.conf".to_owned(),
        Act::DeInit => "/operations/de-init".to_owned(),
        Act::CleanUp => "/operations/clean-up".to_owned(),
        Act::Pots => "/pots".to_owned(),
        Act::Feedback => "/feedback".to_owned(),
        Act::Run(id) => format!("/runs/{id}"),
    }
}

/// Where a parameter is set. A member of a family has no row of its own: it stands at the list of its interfaces.
pub(super) fn parameter_address(name: &str) -> String {
    format!("/configuration#p-{}", if parameter(name).is_some() { name } else { "POT_EXTRA_EXTIF" })
}
