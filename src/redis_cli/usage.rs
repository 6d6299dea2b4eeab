//! `--help` and `--version`.

/// The redis-cli whose output this is.
const LIKE: &str = "7.0.15";

/// One line.
pub(super) fn version() -> String {
    format!(
        "redis-cli {LIKE} (labrunner {})\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What the options are.
pub(super) fn help() -> String {
    format!("{}{OPTIONS}", version())
}

const OPTIONS: &str = r#"
Usage: redis-cli [OPTIONS] [cmd [arg [arg ...]]]

Sends commands to Redis and prints the replies as redis-cli 7.0 does.

  -h <hostname>      The server's host (default: 127.0.0.1)
  -p <port>          The server's port (default: 6379)
  -s <socket>        The server's socket, in place of host and port
  -u <uri>           redis://user:password@host:port/database
  -a <password>      The password; better, the environment variable REDISCLI_AUTH
  --user <username>  The user of the password
  --pass <password>  The same as -a
  --no-auth-warning  Don't warn of a password in the arguments
  -n <db>            The database
  -2, -3             The protocol, RESP2 or RESP3
  -c                 Follow redirections of a cluster (MOVED and ASK)
  -r <repeat>        Send the command so many times; -1: without end
  -i <interval>      Wait so many seconds between them; 0.1 is possible
  -x                 Read the last argument from standard input
  -X <tag>           Read the argument that is this tag from standard input
  -e                 Exit with 1 when the server answers with an error
  --raw              The bare bytes (the default into a pipe or file)
  --no-raw           Formatted for people (the default on a terminal)
  --csv              As CSV
  --json             As JSON; in RESP3 unless -2 is given
  --quoted-json      As JSON in plain ASCII
  -d <delimiter>     Between the items of a raw reply (default: a line end)
  -D <delimiter>     After a raw reply (default: a line end)
  --quoted-input     The command's words are in quotes, with escapes
  --show-pushes <yn> Print RESP3's messages that no command asked for
  --cluster <command> [args...] [opts...]
                     Make, look at and change a cluster; see --cluster help
  --verbose          Say more
  --help, --version

Without a command, commands are read from standard input, one a line; on a terminal
there is a plain prompt, without completion, history and help on commands.

What redis-cli has and this has not: TLS, --askpass, --eval, --ldb, --scan, --bigkeys, --memkeys,
--hotkeys, --stat, --latency..., --lru-test, --replica, --rdb, --pipe, --cluster backup.
"#;
