//! TLS between the application and PostgreSQL: what the address says of it is heeded, on a server that lets nobody in without.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::{AppError, request::OperationId};
use labrunner::backend::postgres::{Options, Server, Stop};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sqlx::{Connection, PgConnection};

use crate::support::may_run;

/// Who signs certificates, with its own certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate for a host name, and its key.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Writes a file that belongs to whom the server runs as, and that nobody else can read: it takes no other for its key.
fn write_for_server(server: &Server, path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let owner = std::fs::metadata(server.socket_folder()).unwrap();
    chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// A server with a certificate for `localhost`, that lets nobody in over TCP without TLS.
fn start(authority: &Authority) -> Server {
    let mut server = Server::start(&Options {
        settings: vec!["ssl = off".to_owned()],
        ..Options::default()
    })
    .unwrap();
    let data = server.socket_folder().join("data");
    let (certificate, key) = authority.certify("localhost");
    write_for_server(&server, &data.join("server.crt"), &certificate);
    write_for_server(&server, &data.join("server.key"), &key);
    write_for_server(
        &server,
        &data.join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
    );
    write_for_server(&server, &data.join("postgresql.auto.conf"), "ssl = on\n");
    server.stop(Stop::Fast).unwrap();
    server.start_again().unwrap();
    server
}

struct Place {
    server: Server,
    folder: tempfile::TempDir,
}

impl Place {
    async fn make() -> Place {
        tokio::task::spawn_blocking(|| {
            let folder = tempfile::tempdir().unwrap();
            let right = Authority::new("The right one");
            let wrong = Authority::new("The wrong one");
            std::fs::write(folder.path().join("right.pem"), &right.certificate).unwrap();
            std::fs::write(folder.path().join("wrong.pem"), &wrong.certificate).unwrap();
            std::fs::write(folder.path().join("empty.pem"), "nothing").unwrap();
            let server = start(&right);
            Place { server, folder }
        })
        .await
        .unwrap()
    }

    /// Its address by a host name, with these parameters in place of its own.
    fn url(&self, host: &str, parameters: &str) -> String {
        let url = self.server.url("postgres");
        let (front, _) = url.split_once('?').unwrap();
        let folder = self.folder.path().to_str().unwrap();
        let parameters = parameters.replace("FOLDER", folder);
        format!("{}?{parameters}", front.replace("127.0.0.1", host))
    }

    /// How many connections of the application the server has, and how many of them are encrypted, by its own word.
    async fn connections(&self) -> (i64, i64) {
        let url = self.server.socket_url("postgres");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let query = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl NATURAL JOIN pg_stat_activity
             WHERE application_name = 'labrunner-app'";
        sqlx::query_as(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_address_says_of_tls_is_heeded() {
    if !may_run("postgres", "what_the_address_says_of_tls_is_heeded") {
        return;
    }
    let place = Place::make().await;
    let settings = |host: &str, parameters: &str| crate::impatient(&place.url(host, parameters));
    schema::up(&Ledger::open(&LedgerSettings::new(place.server.socket_url("postgres"))).unwrap())
        .await
        .unwrap();

    let let_in = [
        // Without a word it is taken where it is offered.
        ("127.0.0.1", ""),
        ("127.0.0.1", "sslmode=require"),
        // The authority is right, whatever the host is called.
        (
            "127.0.0.1",
            "sslmode=verify-ca&sslrootcert=FOLDER/right.pem",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=FOLDER/right.pem",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=FOLDER/right.pem",
        ),
    ];
    for (host, parameters) in let_in {
        let ledger = Ledger::connect(&settings(host, parameters)).await;
        let ledger = ledger.unwrap_or_else(|error| panic!("{host} {parameters}: {error}"));
        // Something that takes more than one packet each way.
        let operation = OperationId::random();
        let request = labrunner::app::request::CreateEvent {
            name: "Test".parse().unwrap(),
            seats: 5000,
            on_slots: None,
        };
        let event = labrunner::app::EventId::random();
        let made = ledger.create_event(&event, &request, &operation, 0).await;
        assert!(made.unwrap());
        let (all, encrypted) = place.connections().await;
        assert!(
            all > 0 && encrypted == all,
            "{parameters}: {encrypted} of {all}"
        );
        ledger.close().await;
    }

    let refused = [
        (
            "127.0.0.1",
            "sslmode=disable",
            "ledger_not_ready",
            "lets nobody in without TLS",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=FOLDER/wrong.pem",
            "ledger_not_ready",
            "UnknownIssuer",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=FOLDER/wrong.pem",
            "ledger_not_ready",
            "UnknownIssuer",
        ),
        // None of those that the machine trusts has signed it.
        (
            "localhost",
            "sslmode=verify-full",
            "ledger_not_ready",
            "can't be reached as the address says",
        ),
        (
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert=FOLDER/right.pem",
            "ledger_not_ready",
            "not valid for name",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=FOLDER/none.pem",
            "invalid",
            "No such file",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=FOLDER%2Fempty.pem",
            "invalid",
            "no PEM",
        ),
    ];
    for (host, parameters, kind, words) in refused {
        let asked = Instant::now();
        let error = Ledger::connect(&settings(host, parameters))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{host} {parameters}: {text}");
        assert!(text.contains(words), "{host} {parameters}: {text}");
        assert!(!text.contains(place.server.password()), "{text}");
        // It would be the same the next time, so it is not tried until the deadline.
        let AppError::LedgerNotReady { .. } = error else {
            continue;
        };
        assert!(
            asked.elapsed() < crate::impatient("").deadline,
            "{parameters}"
        );
    }
    // Nobody has come in on the way.
    assert_eq!(place.connections().await, (0, 0));
}

/// The same through the command: the address as it is typed.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_takes_certificates_by_the_address() {
    if !may_run("postgres", "the_command_takes_certificates_by_the_address") {
        return;
    }
    let place = Place::make().await;
    let migrate = |root: &str| {
        let parameters = format!("sslmode=verify-full&sslrootcert=FOLDER/{root}");
        Command::new(env!("CARGO_BIN_EXE_app"))
            .args(["migrate", "up", "--database-url"])
            .arg(place.url("localhost", &parameters))
            .output()
            .unwrap()
    };
    let wrong = migrate("wrong.pem");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(22), "{said}");
    assert!(
        said.contains("UnknownIssuer") && said.contains("sslrootcert"),
        "{said}"
    );
    let right = migrate("right.pem");
    let said = String::from_utf8_lossy(&right.stderr).into_owned();
    assert_eq!(right.status.code(), Some(0), "{said}");
}
