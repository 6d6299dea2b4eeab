//! `redis://user:password@host:port/database`.

use super::numbers::leading_integer;
use super::options::Options;

/// What an address says; what it doesn't say stays as it was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uri {
    host: Option<String>,
    port: Option<i64>,
    user: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    database: Option<i64>,
}

/// Reads an address.
///
/// # Errors
/// What to tell the caller.
pub(super) fn parse(uri: &[u8]) -> Result<Uri, &'static str> {
    let scheme = |scheme: &[u8]| {
        let start = uri.get(..scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| uri.get(scheme.len()..))?
    };
    if scheme(b"rediss://").is_some() {
        return Err("labrunner redis-cli has no TLS: rediss:// is only for redis-cli itself.");
    }
    let rest = scheme(b"redis://").ok_or("Invalid URI scheme")?;
    let mut found = Uri::default();
    let (place, path) = cut(rest, b'/');
    let place = match place.iter().position(|byte| *byte == b'@') {
        None => place,
        Some(at) => {
            let login = place.get(..at).unwrap_or_default();
            match cut(login, b':') {
                (user, Some(password)) => {
                    found.user = Some(decoded(user)?);
                    found.password = Some(decoded(password)?);
                }
                (password, None) => found.password = Some(decoded(password)?),
            }
            place.get(at + 1..).unwrap_or_default()
        }
    };
    let (host, port) = cut(place, b':');
    if !host.is_empty() || port.is_some() {
        found.host = Some(String::from_utf8_lossy(host).into_owned());
    }
    found.port = port.map(leading_integer);
    found.database = path.filter(|path| !path.is_empty()).map(leading_integer);
    Ok(found)
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == at) {
        Some(place) => (text.get(..place).unwrap_or_default(), text.get(place + 1..)),
        None => (text, None),
    }
}

/// With `%41` made `A`.
fn decoded(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            found.push(byte);
            continue;
        }
        let digits = rest.get(..2).ok_or("Incomplete URI encoding")?;
        let value = std::str::from_utf8(digits)
            .ok()
            .filter(|_| digits.iter().all(u8::is_ascii_hexdigit));
        let value = value.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        found.push(value.ok_or("Illegal character in URI encoding")?);
        rest = rest.get(2..).unwrap_or_default();
    }
    Ok(found)
}

impl Uri {
    /// Puts what was said into the options.
    pub(super) fn apply(self, options: &mut Options) {
        if let Some(host) = self.host {
            options.host = host;
        }
        if let Some(port) = self.port {
            options.port = port;
        }
        if self.user.is_some() {
            options.login.user = self.user;
        }
        if self.password.is_some() {
            options.login.password = self.password;
        }
        if let Some(database) = self.database {
            options.database = database;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_may_be_missing() {
        let all = parse(b"REDIS://a%41:b%20@h:7001/3").unwrap();
        assert_eq!(
            all,
            Uri {
                host: Some("h".into()),
                port: Some(7001),
                user: Some(b"aA".to_vec()),
                password: Some(b"b ".to_vec()),
                database: Some(3),
            }
        );
        assert_eq!(parse(b"redis://").unwrap(), Uri::default());
        assert_eq!(parse(b"redis://p@h").unwrap().password, Some(b"p".to_vec()));
        assert_eq!(parse(b"http://h"), Err("Invalid URI scheme"));
        assert!(parse(b"redis://%4@h").is_err() && parse(b"redis://%zz@h").is_err());
    }
}
