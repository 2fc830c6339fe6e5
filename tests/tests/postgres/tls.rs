//! TLS of the bundled libpq, against a server with a certificate that it made itself.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Scratch},
    program::{Program, eventually},
};

use crate::setting::{BINARY, password, prepared};

#[test]
fn a_server_that_wants_tls_is_talked_to_over_tls() {
    let Some(cluster) = Cluster::start() else { return };
    let database = Database::on_scratch(Scratch::on(cluster.url()));
    let program = prepared(&database, "");
    let status = |parameters: &str| {
        let program = Program::new(BINARY, program.dir()).at(&format!("{}?{parameters}", database.url()));
        let ended = program.run(&["status"]);
        assert!(!ended.stderr.contains(password(database.url())), "{}", ended.stderr);
        ended
    };
    let refused = status("sslmode=require").with_code(1);
    assert!(refused.stderr.contains("SSL"), "a server without TLS is not talked to: {}", refused.stderr);

    let certificate = enable_tls(&cluster);
    eventually("the server has read its certificate", || status("sslmode=require").code == 0);
    let plain = status("sslmode=disable").with_code(1);
    assert!(plain.stderr.contains("no encryption"), "the server insists: {}", plain.stderr);
    let _known = status(&format!("sslmode=verify-full&sslrootcert={certificate}")).ok();
    let unknown = status("sslmode=verify-full&sslrootcert=system").with_code(1);
    assert!(unknown.stderr.contains("certificate verify failed"), "{}", unknown.stderr);

    // The whole of it, writes and the advance's own connection included.
    let url = format!("{}?sslmode=require", database.url());
    let over_tls = Program::new(BINARY, program.dir()).at(&url);
    let _ticked = over_tls.run(&["tick", "--times", "2", "--interval", "1ms"]).ok();
}

/// Gives the server a certificate and has it refuse whoever does not use it. Answers with the certificate's file.
fn enable_tls(cluster: &Cluster) -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let owner = cluster.data().metadata().unwrap();
    for (name, text) in [("server.crt", cert.pem()), ("server.key", signing_key.serialize_pem())] {
        let file = cluster.data().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let mut connection = PgConnection::establish(cluster.url()).unwrap();
    connection.batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
    fs::write(cluster.data().join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    connection.batch_execute("SELECT pg_reload_conf()").unwrap();
    cluster.data().join("server.crt").display().to_string()
}
