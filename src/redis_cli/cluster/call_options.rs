//! What a `--cluster` call says.

use crate::redis_cli::numbers::{leading_float, leading_integer};

/// A `--cluster` call: its subcommand, that one's arguments, and the options that begin with `--cluster-`.
#[derive(Debug, Clone)]
pub(in super::super) struct ClusterCall {
    name: Option<String>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(in super::super) colour: bool,
    pub(super) replicas: i64,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) from_user: Option<Vec<u8>>,
    pub(super) from_password: Option<Vec<u8>>,
    pub(super) slots: i64,
    /// Keys that one MIGRATE takes.
    pub(super) pipeline: i64,
    /// Of a MIGRATE, milliseconds.
    pub(super) timeout: i64,
    /// Percent that a node may have more or fewer slots than its share.
    pub(super) threshold: f32,
    pub(in super::super) weights: Option<Vec<Vec<u8>>>,
    pub(super) master_id: Option<String>,
    pub(super) flags: Flags,
}

/// Options without a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) yes: bool,
    pub(super) slave: bool,
    pub(super) simulate: bool,
    pub(super) use_empty_masters: bool,
    pub(super) replace: bool,
    pub(super) copy: bool,
    pub(super) search_multiple_owners: bool,
    pub(super) fix_with_unreachable_masters: bool,
    pub(super) only_masters: bool,
    pub(super) only_replicas: bool,
}

impl Default for ClusterCall {
    fn default() -> Self {
        ClusterCall {
            name: None,
            arguments: Vec::new(),
            colour: false,
            replicas: 0,
            from: None,
            to: None,
            from_user: None,
            from_password: None,
            slots: 0,
            pipeline: 10,
            timeout: 60_000,
            threshold: 2.0,
            weights: None,
            master_id: None,
            flags: Flags::default(),
        }
    }
}

impl ClusterCall {
    /// Whether a subcommand was given; options alone are no call.
    pub(in super::super) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// The subcommand.
    pub(super) fn subcommand(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Sets the subcommand and its arguments.
    pub(in super::super) fn name(&mut self, name: &[u8], arguments: Vec<Vec<u8>>) {
        self.name = Some(String::from_utf8_lossy(name).into_owned());
        self.arguments = arguments;
    }

    /// Takes an option without a value; whether it is one.
    pub(in super::super) fn flag(&mut self, name: &str) -> bool {
        let flags = &mut self.flags;
        let flag = match name {
            "--cluster-yes" => &mut flags.yes,
            "--cluster-slave" => &mut flags.slave,
            "--cluster-simulate" => &mut flags.simulate,
            "--cluster-use-empty-masters" => &mut flags.use_empty_masters,
            "--cluster-replace" => &mut flags.replace,
            "--cluster-copy" => &mut flags.copy,
            "--cluster-search-multiple-owners" => &mut flags.search_multiple_owners,
            "--cluster-fix-with-unreachable-masters" => &mut flags.fix_with_unreachable_masters,
            "--cluster-only-masters" => &mut flags.only_masters,
            "--cluster-only-replicas" => &mut flags.only_replicas,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// Takes an option with a value; whether it is one.
    pub(in super::super) fn valued(&mut self, name: &str, value: &[u8]) -> bool {
        let text = || Some(String::from_utf8_lossy(value).into_owned());
        match name {
            "--cluster-replicas" => self.replicas = leading_integer(value),
            "--cluster-master-id" => self.master_id = text(),
            "--cluster-from" => self.from = text(),
            "--cluster-to" => self.to = text(),
            "--cluster-from-user" => self.from_user = Some(value.to_vec()),
            "--cluster-from-pass" => self.from_password = Some(value.to_vec()),
            "--cluster-slots" => self.slots = leading_integer(value),
            "--cluster-timeout" => self.timeout = leading_integer(value),
            "--cluster-pipeline" => self.pipeline = leading_integer(value),
            "--cluster-threshold" => self.threshold = leading_float(value) as f32,
            _ => return false,
        }
        true
    }
}
