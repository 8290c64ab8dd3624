//! URLs as they may be shown and kept.

use reqwest::Url;

/// A query's value is a secret if its name contains one of these, in any case.
const SECRET: [&str; 16] = [
    "token",
    "key",
    "secret",
    "pass",
    "pwd",
    "auth",
    "sig",
    "session",
    "cred",
    "code",
    "jwt",
    "otp",
    "hmac",
    "saml",
    "assertion",
    "bearer",
];

/// And if it is one of these, which are parts of too many other words.
const SECRET_WHOLE: [&str; 4] = ["pw", "pin", "sid", "psk"];

/// What stands in the place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// The URL without a user's name, a password, a fragment, and the values in its query that look like secrets by their names.
///
/// A secret in the path cannot be told from any other path, and stays.
///
/// ```
/// use reqwest::Url;
///
/// let url = Url::parse("https://me:pw@api.example/items?page=2&api_key=s3cret").unwrap();
/// assert_eq!(api_client::redacted(&url), "https://api.example/items?page=2&api_key=***");
/// ```
pub fn redacted(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown += &format!(":{port}");
    }
    shown += url.path();
    if let Some(query) = url.query() {
        let parts = query.split('&').map(|part| match part.split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => format!("{name}={HIDDEN}"),
            _ => part.to_owned(),
        });
        shown = shown + "?" + &parts.collect::<Vec<_>>().join("&");
    }
    shown
}

fn is_secret(name: &str) -> bool {
    // An encoded name is one of these too: `%74oken` is sent as it is, and most servers read `token`.
    let name = percent_decoded(name).to_ascii_lowercase();
    SECRET.iter().any(|secret| name.contains(secret)) || SECRET_WHOLE.contains(&name.as_str())
}

fn percent_decoded(text: &str) -> String {
    let pairs = reqwest::Url::parse(&format!("http://h/?{text}")).ok();
    pairs.and_then(|url| Some(url.query_pairs().next()?.0.into_owned())).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> String {
        redacted(&Url::parse(url).unwrap())
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        let plain = "http://h:8080/a/b?page=2&q=a%20b&flag&empty=&ping=1&side=2";
        assert_eq!(of(plain), plain);
        let secrets = "token access_token API-KEY X-Amz-Signature password %74oken client_secret pass user_pass PWD pw pin SAMLResponse";
        for name in secrets.split(' ') {
            let shown = of(&format!("http://h/?a=1&{name}=hidden#hidden"));
            assert!(!shown.contains("hidden") && shown.starts_with("http://h/?a=1&"), "{shown}");
        }
        assert_eq!(of("http://hidden:hidden@h/"), "http://h/");
        assert_eq!(of("http://[::1]:80/"), "http://[::1]/");
    }
}
