//! The mail with a code for a forgotten password: in the words of a template, of the project or of the
//! installation, else in ours. Pure.
//!
//! A template is checked when it is made. One that says nothing of the code all the same, because the project
//! has no page any longer, is passed over: a mail without the code helps nobody.

use koyalite_host_api::outbox::email::{Written, is_line, render};
use serde_json::{Value as Json, json};

use super::error::{Mistake, RegistryError, refuse_if_any};
use super::mail::templates::NewTemplate;

/// The project's template of this name is what such mails say.
pub const RESET_TEMPLATE: &str = "password-reset";

/// How long a code is good: until a mail that was greylisted is there and read.
pub const RESET_MINUTES: i32 = 30;

/// In the place of a code where a template is checked; no word of a template has it.
const SAMPLE: &str = "c0de-c0de-c0de";

/// What the mail says besides the code.
#[derive(Debug, Clone)]
pub struct Letter {
    /// From whom; none: the project's oldest sender.
    pub sender: Option<String>,
    /// The page that it leads to.
    pub link: Option<String>,
    /// Where the account is.
    pub name: String,
    /// In which words, unless the project has a template.
    pub words: Option<NewTemplate>,
}

impl Letter {
    /// Subject, text and HTML, with the code in it, for whom the mail is.
    pub(super) fn write(
        &self,
        code: &str,
        email: &str,
        of_project: Option<&NewTemplate>,
    ) -> Written {
        // Behind a #, so that it is in no log of a server and in no page's referrer.
        let link = self
            .link
            .as_ref()
            .map(|page| format!("{page}#token={code}"));
        if let Some(words) = of_project.or(self.words.as_ref()) {
            let values = values((code, link.as_deref()), &self.name, email);
            match fill(words, &values, code) {
                Ok(written) => return written,
                Err(reason) => {
                    tracing::warn!(at = self.name, reason, "a template of mail is passed over");
                }
            }
        }
        self.ours(code, link)
    }

    fn ours(&self, code: &str, link: Option<String>) -> Written {
        let how = match link {
            Some(link) => format!("Open this page:\n\n{link}"),
            None => format!("Enter this code:\n\n{code}"),
        };
        let text = format!(
            "Somebody has asked for another password for your account at {}.\n\n{how}\n\n\
             It is good once and for {RESET_MINUTES} minutes. If it was not you, do nothing.\n",
            self.name
        );
        Written {
            subject: format!("Another password for {}", self.name),
            text,
            html: None,
        }
    }
}

/// What a template may name.
fn values((code, link): (&str, Option<&str>), name: &str, email: &str) -> Json {
    json!({ "code": code, "link": link, "name": name, "email": email, "minutes": RESET_MINUTES })
}

fn fill(words: &NewTemplate, values: &Json, code: &str) -> Result<Written, String> {
    let parts = (
        words.subject.as_str(),
        words.text.as_deref(),
        words.html.as_deref(),
    );
    let written = render(parts, values).map_err(|error| error.to_string())?;
    let told = |text: &str| text.contains(code);
    // Readers see one of the two; a subject is on the screen of a phone that is locked.
    if !told(&written.text) || !written.html.as_deref().is_none_or(told) {
        return Err("text and html have to say {{code}} or {{link}}".to_owned());
    }
    match is_line(&written.subject) && !told(&written.subject) {
        true => Ok(written),
        false => Err("the subject is one line, without the code".to_owned()),
    }
}

/// Whether such a mail can be made of a template, where there is a page and where there is none.
///
/// # Errors
/// `Invalid`, with what is missing.
pub fn check(words: &NewTemplate, with_link: WithLink) -> Result<(), RegistryError> {
    let link = match with_link {
        WithLink::Yes => Some(SAMPLE),
        WithLink::No => None,
    };
    let values = values((SAMPLE, link), "shop", "ann@example.com");
    let Err(reason) = fill(words, &values, SAMPLE) else {
        return Ok(());
    };
    let names = "it may name code, link (where there is a page), name, email and minutes";
    refuse_if_any(vec![Mistake::new("text", format!("{reason}; {names}"))])
}

/// Whether there may be a page that a mail leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithLink {
    /// A project may have one.
    Yes,
    /// The control API has none.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(subject: &str, text: Option<&str>, html: Option<&str>) -> NewTemplate {
        NewTemplate {
            subject: subject.to_owned(),
            text: text.map(str::to_owned),
            html: html.map(str::to_owned),
        }
    }

    fn letter(link: Option<&str>) -> Letter {
        Letter {
            sender: None,
            link: link.map(str::to_owned),
            name: "shop".to_owned(),
            words: Some(words("From us", Some("{{code}}"), None)),
        }
    }

    #[test]
    fn a_mail_is_in_the_project_s_words_else_the_installation_s_else_ours() {
        let letter = letter(Some("https://shop.example/reset"));
        let own = words(
            "Hello {{email}}",
            Some("{{minutes}}: {{link}}"),
            Some("<a href=\"{{link}}\">"),
        );
        let mail = letter.write("abc", "a&b@example.com", Some(&own));
        assert_eq!(mail.subject, "Hello a&b@example.com");
        assert_eq!(mail.text, "30: https://shop.example/reset#token=abc");
        assert_eq!(
            mail.html.unwrap(),
            "<a href=\"https://shop.example/reset#token=abc\">"
        );
        assert_eq!(letter.write("abc", "a", None).text, "abc");
        let plain = Letter {
            words: None,
            ..letter
        };
        let mail = plain.write("abc", "a", None);
        assert!(
            mail.text.contains("https://shop.example/reset#token=abc"),
            "{mail:?}"
        );
    }

    #[test]
    fn a_template_that_would_not_tell_the_code_is_passed_over() {
        // The project had a page when it was made.
        let own = words("Hello", Some("{{link}}"), None);
        let mail = letter(None).write("abc", "a", Some(&own));
        assert!(mail.text.contains("Enter this code:\n\nabc"), "{mail:?}");
    }

    #[test]
    fn templates_are_checked_when_they_are_made() {
        let both = |words: NewTemplate, with: bool, without: bool| {
            assert_eq!(check(&words, WithLink::Yes).is_ok(), with, "{words:?}");
            assert_eq!(check(&words, WithLink::No).is_ok(), without, "{words:?}");
        };
        both(words("a", Some("{{code}}"), None), true, true);
        both(words("a", Some("{{link}}"), None), true, false);
        both(words("a", Some("{{code}}"), Some("no code")), false, false);
        both(words("a", None, Some("<b>{{code}}</b>")), true, true);
        both(words("{{code}}", Some("{{code}}"), None), false, false);
        both(words("a", Some("{{code}} {{other}}"), None), false, false);
        both(words("a", Some("nothing"), None), false, false);
    }
}
