//! The reply of INFO.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::endpoint::Endpoint;
use super::error::{ParseError, number, quoted};
use super::version::{Product, ServerVersion};

const REPLY: &str = "INFO";

/// The fields of INFO that Redis 6.2, 7.0, 8.2 and Valkey 9.1 were seen to print, a line each, sorted. Other versions may have
/// others.
const SEEN_FIELDS: &str = include_str!("info_fields.txt");

/// The reply of INFO: `field:value` lines under `# Section` lines, all in the order printed. `CLUSTER INFO` has the same form
/// without sections. Prints as a server does, in lines that end in `\r\n`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    sections: Vec<Section>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    /// `None` for fields that stand under no section.
    name: Option<String>,
    fields: Vec<(String, String)>,
}

/// A `slaveN:` line of `INFO replication`: a replica, as its master knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachedReplica {
    /// Where the replica says that clients reach it.
    pub endpoint: Endpoint,
    /// `online` once it follows; before that `wait_bgsave`, `send_bulk` and others.
    pub state: String,
    /// Up to where in the stream of writes it has acknowledged, in bytes.
    pub offset: u64,
    /// How long ago it last acknowledged, in whole seconds.
    pub lag_s: u64,
}

impl Info {
    /// The names of fields that servers were seen to print, for telling a slip of the pen from a field. Not all there are.
    pub fn seen_fields() -> impl Iterator<Item = &'static str> {
        SEEN_FIELDS.lines()
    }

    /// Reads a reply of INFO. Lines end in `\r\n` or `\n`; empty lines mean nothing; an empty text is an INFO with no field, which is
    /// what a server answers about a section that it does not have.
    ///
    /// # Errors
    /// A line that is neither `# Section` nor `field:value`; the error names it, counted from 1.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut sections: Vec<Section> = Vec::new();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
        {
            if let Some(name) = line.strip_prefix('#') {
                sections.push(Section {
                    name: Some(name.trim().to_owned()),
                    fields: Vec::new(),
                });
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                let why = format!("line {}: {} is not field:value", index + 1, quoted(line));
                return Err(ParseError::new(REPLY, why));
            };
            if sections.is_empty() {
                sections.push(Section {
                    name: None,
                    fields: Vec::new(),
                });
            }
            if let Some(section) = sections.last_mut() {
                section.fields.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(Info { sections })
    }

    /// The value of a field, the first if there are several.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields()
            .find_map(|(name, value)| (name == field).then_some(value))
    }

    /// The value of a field that is a number without sign or fraction.
    ///
    /// # Errors
    /// There is no such field, or it is something else.
    pub fn number<N: FromStr>(&self, field: &str) -> Result<N, ParseError> {
        match self.get(field) {
            Some(value) => number(REPLY, field, value),
            None => Err(ParseError::new(REPLY, format!("there is no field {field}"))),
        }
    }

    /// All fields, in the order printed.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.sections.iter().flat_map(Section::fields)
    }

    /// The fields of a section, in the order printed. Case does not matter: `INFO replication` answers `# Replication`.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&str, &str)> + '_ {
        let name = name.to_owned();
        self.sections
            .iter()
            .filter(move |section| {
                section
                    .name
                    .as_ref()
                    .is_some_and(|n| n.eq_ignore_ascii_case(&name))
            })
            .flat_map(Section::fields)
    }

    /// The sections' names, in the order printed.
    pub fn sections(&self) -> impl Iterator<Item = &str> + '_ {
        self.sections
            .iter()
            .filter_map(|section| section.name.as_deref())
    }

    /// What runs there: `valkey_version` where there is one (Valkey keeps a `redis_version` for old clients), else
    /// `redis_version`; `None` if the reply has neither, or not as a version.
    pub fn server(&self) -> Option<ServerVersion> {
        let (product, version) = match self.get("valkey_version") {
            Some(version) => (Product::Valkey, version),
            None => (Product::Redis, self.get("redis_version")?),
        };
        Some(ServerVersion {
            product,
            version: super::version::parse_numbers(version).ok()?,
        })
    }

    /// The replicas that are attached to this master: its lines `slave0:ip=…,port=…,state=…,offset=…,lag=…`, in order. Empty on a replica
    /// without replicas of its own.
    ///
    /// # Errors
    /// Such a line lacks one of these parts, or it is no number where it should be. Further parts are passed over.
    pub fn replicas(&self) -> Result<Vec<AttachedReplica>, ParseError> {
        let numbered = |name: &str| {
            let digits = name
                .strip_prefix("slave")
                .or_else(|| name.strip_prefix("replica"));
            digits.is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        self.fields()
            .filter(|(name, _)| numbered(name))
            .map(|(name, value)| AttachedReplica::read(name, value))
            .collect()
    }
}

impl Section {
    fn fields(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl AttachedReplica {
    fn read(name: &str, text: &str) -> Result<Self, ParseError> {
        let part = |key: &str| {
            let parts = text.split(',').filter_map(|part| part.split_once('='));
            parts
                .filter_map(|(k, value)| (k == key).then_some(value))
                .next()
                .ok_or_else(|| {
                    ParseError::new(REPLY, format!("{name} has no {key}: {}", quoted(text)))
                })
        };
        Ok(AttachedReplica {
            endpoint: Endpoint::new(
                part("ip")?,
                number(REPLY, "the replica's port", part("port")?)?,
            ),
            state: part("state")?.to_owned(),
            offset: number(REPLY, "the replica's offset", part("offset")?)?,
            lag_s: number(REPLY, "the replica's lag", part("lag")?)?,
        })
    }
}

impl FromStr for Info {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Info::parse(text)
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                f.write_str("\r\n")?;
            }
            if let Some(name) = &section.name {
                write!(f, "# {name}\r\n")?;
            }
            for (name, value) in section.fields() {
                write!(f, "{name}:{value}\r\n")?;
            }
        }
        Ok(())
    }
}

/// As a map of its fields, in the order printed, without the sections: no field's name stands in two of them.
impl Serialize for Info {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.fields() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/redis-server\r\nconfig_file:\r\n\r\n\
# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
slave0:ip=172.30.0.14,port=7004,state=online,offset=1234,lag=1\r\n\
slave1:ip=fd00::2,port=7005,state=wait_bgsave,offset=0,lag=0,type=replica\r\n\
slave_read_only:1\r\n\r\n\
# Keyspace\r\n";

    #[test]
    fn keeps_sections_fields_and_order() {
        let info = Info::parse(TEXT).unwrap();
        assert_eq!(info.get("role"), Some("master"));
        assert_eq!(info.get("config_file"), Some(""));
        assert_eq!(info.get("nothing"), None);
        assert_eq!(
            info.sections().collect::<Vec<_>>(),
            ["Server", "Replication", "Keyspace"]
        );
        assert_eq!(info.section("REPLICATION").next(), Some(("role", "master")));
        assert_eq!(info.section("keyspace").count(), 0);
        assert_eq!(info.fields().count(), 8);
        assert_eq!(info.to_string(), TEXT);
        assert_eq!(Info::parse(&TEXT.replace("\r\n", "\n")).unwrap(), info);
        assert_eq!(info.number::<u32>("connected_slaves"), Ok(2));
        insta::assert_snapshot!(info.number::<u32>("role").unwrap_err(), @r#"INFO: role "master" is not a number"#);
        insta::assert_snapshot!(info.number::<u32>("rule").unwrap_err(), @"INFO: there is no field rule");
    }

    #[test]
    fn lists_the_attached_replicas() {
        let replicas = Info::parse(TEXT).unwrap().replicas().unwrap();
        assert_eq!(
            replicas,
            [
                AttachedReplica {
                    endpoint: Endpoint::new("172.30.0.14", 7004),
                    state: "online".into(),
                    offset: 1234,
                    lag_s: 1
                },
                AttachedReplica {
                    endpoint: Endpoint::new("fd00::2", 7005),
                    state: "wait_bgsave".into(),
                    offset: 0,
                    lag_s: 0
                },
            ]
        );
        let broken = Info::parse("slave0:ip=::1,port=7004,state=online,lag=1\r\n").unwrap();
        insta::assert_snapshot!(
            broken.replicas().unwrap_err(),
            @r#"INFO: slave0 has no offset: "ip=::1,port=7004,state=online,lag=1""#
        );
    }

    #[test]
    fn knows_the_server() {
        let server = |text: &str| {
            Info::parse(text)
                .unwrap()
                .server()
                .map(|server| server.to_string())
        };
        assert_eq!(server(TEXT).as_deref(), Some("redis 7.0.15"));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n";
        assert_eq!(server(valkey).as_deref(), Some("valkey 9.1.2"));
        assert_eq!(server("role:master\r\n"), None);
    }

    #[test]
    fn serializes_as_one_map() {
        let info = Info::parse("# A\r\none:1\r\n\r\n# B\r\ntwo:x:y\r\n").unwrap();
        assert_eq!(
            serde_json::to_string(&info).unwrap(),
            r#"{"one":"1","two":"x:y"}"#
        );
    }

    #[test]
    fn errors_name_the_line() {
        insta::assert_snapshot!(
            Info::parse("# Server\r\nredis_version:7.0.15\r\nredis_git").unwrap_err(),
            @r#"INFO: line 3: "redis_git" is not field:value"#
        );
    }
}
