//! Whether settings make sense: all mistakes at once, each with its field.

use http::Uri;

use super::super::error::{Mistake, RegistryError, refuse_if_any};
use super::{
    AUDIT_RETENTION_DAYS_MIN, ORIGINS_MAX, QUOTA_MAX, RATE_REQUESTS_MAX, RATE_SECONDS_MAX,
    REDACTED_COLUMNS_MAX, RESIDENCE_REGIONS_MAX, RETENTION_DAYS_MAX, Settings,
};

/// A list entry that means all of them.
const EVERYWHERE: &str = "*";

/// Of a page's address, for a line of a mail.
const URL_BYTES_MAX: usize = 1000;

impl Settings {
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        let mut mistakes = Vec::new();
        let rates = [
            ("project", self.rate_limits.project),
            ("key", self.rate_limits.key),
            ("caller", self.rate_limits.caller),
        ];
        for (field, rate) in rates {
            let good = rate.is_none_or(|rate| {
                (1..=RATE_REQUESTS_MAX).contains(&rate.requests)
                    && (1..=RATE_SECONDS_MAX).contains(&rate.seconds)
            });
            if !good {
                let message = format!(
                    "write 1 to {RATE_REQUESTS_MAX} requests in 1 to {RATE_SECONDS_MAX} seconds"
                );
                mistakes.push(Mistake::new(
                    format!("settings.rate_limits.{field}"),
                    message,
                ));
            }
        }
        let ages = [
            ("retention_days", self.retention_days, 1),
            (
                "audit_retention_days",
                self.audit_retention_days,
                AUDIT_RETENTION_DAYS_MIN,
            ),
        ];
        for (field, days, least) in ages {
            if days.is_some_and(|days| !(least..=RETENTION_DAYS_MAX).contains(&days)) {
                let message = format!("write {least} to {RETENTION_DAYS_MAX} days");
                mistakes.push(Mistake::new(format!("settings.{field}"), message));
            }
        }
        let quotas = [
            ("webhook_events_per_minute", self.webhook_events_per_minute),
            ("emails_per_hour", self.emails_per_hour),
        ];
        for (field, quota) in quotas {
            if quota.is_some_and(|quota| quota > QUOTA_MAX) {
                let message = format!("write 0 to {QUOTA_MAX}");
                mistakes.push(Mistake::new(format!("settings.{field}"), message));
            }
        }
        let named = |name: &String| !name.is_empty() && name != EVERYWHERE;
        let regions = &self.data_residency;
        if regions.len() > RESIDENCE_REGIONS_MAX || !regions.iter().all(named) {
            let message = format!("name at most {RESIDENCE_REGIONS_MAX} regions one by one");
            mistakes.push(Mistake::new("settings.data_residency", message));
        }
        if self.pii_redaction.len() > REDACTED_COLUMNS_MAX {
            let message = format!("name at most {REDACTED_COLUMNS_MAX} columns");
            mistakes.push(Mistake::new("settings.pii_redaction", message));
        }
        self.check_doors(&mut mistakes);
        self.files.check(&mut mistakes);
        refuse_if_any(mistakes)
    }

    fn check_doors(&self, mistakes: &mut Vec<Mistake>) {
        let origins = &self.allowed_origins;
        if origins.len() > ORIGINS_MAX || !origins.iter().all(|text| is_origin(text)) {
            let message = format!(
                "name at most {ORIGINS_MAX} origins, as https://shop.example or \"*\": \
                 lower case, without a path"
            );
            mistakes.push(Mistake::new("settings.allowed_origins", message));
        }
        if self
            .password_reset_url
            .as_deref()
            .is_some_and(|url| !is_page(url))
        {
            let message = "write the https URL of a page, without a #";
            mistakes.push(Mistake::new("settings.password_reset_url", message));
        }
    }
}

/// An origin as browsers send it: compared letter by letter, so it must be written in that one way.
fn is_origin(text: &str) -> bool {
    if text == EVERYWHERE {
        return true;
    }
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let (scheme, authority) = (uri.scheme_str(), uri.authority());
    let Some((scheme, authority)) = scheme.zip(authority) else {
        return false;
    };
    let plain = !text.contains('@') && text.to_ascii_lowercase() == text;
    plain && matches!(scheme, "http" | "https") && format!("{scheme}://{authority}") == text
}

/// A page that a mail may lead to.
fn is_page(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let local = matches!(uri.host(), Some("localhost" | "127.0.0.1"));
    let safe = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && local);
    let plain = text.is_ascii() && !text.contains(['#', '@', '<', '>', '"']);
    safe && plain && uri.host().is_some() && text.len() <= URL_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in [
            "*",
            "https://shop.example",
            "http://localhost:3000",
            "https://a.b:8443",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "shop.example",
            "https://shop.example/",
            "https://Shop.example",
            "null",
            "https://a@b.example",
            "ftp://a.example",
            "https://*.example/x",
            "https://",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn a_mail_leads_to_a_page_that_is_not_in_the_clear() {
        for good in [
            "https://shop.example/reset",
            "http://localhost:3000/reset?lang=de",
        ] {
            assert!(is_page(good), "{good}");
        }
        for bad in [
            "",
            "/reset",
            "http://shop.example/reset",
            "https://shop.example/#x",
            "javascript:x",
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
