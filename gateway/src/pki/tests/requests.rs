//! Requests: ours and those of other tools.

use super::*;

#[test]
fn a_request_keeps_its_key_at_home_and_is_made_once() {
    let room = Room::new();
    let applicant = Applicant {
        id: "health-city",
        organization: Some("市卫计委"),
        spiffe: None,
    };
    let files = request::create(&room.path("new"), applicant).unwrap();
    assert_eq!((mode(&room.path("new")), mode(&files.key)), (0o700, 0o400));
    assert!(!fs::read_to_string(&files.csr).unwrap().contains("PRIVATE"));
    fs::remove_file(&files.csr).unwrap();
    let key = fs::read(&files.key).unwrap();
    assert!(matches!(
        request::create(&room.path("new"), applicant),
        Err(PkiFault::Exists { .. })
    ));
    assert_eq!(fs::read(&files.key).unwrap(), key);
    assert!(!files.csr.exists());
}

#[test]
fn a_request_with_a_changed_byte_is_refused() {
    use base64::Engine;
    let room = Room::new();
    room.csr("a");
    let pem = fs::read_to_string(room.path("a/client.csr")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    // The signed part and the signature's value; the algorithm between them is not signed.
    let signed = {
        use x509_parser::prelude::FromDer;
        let (_, request) = x509_parser::certification_request::X509CertificationRequest::from_der(&der).unwrap();
        request.certification_request_info.raw.len() + 3
    };
    for place in (3..signed).chain(der.len() - 60..der.len()) {
        let mut changed = der.clone();
        changed[place] ^= 0x01;
        let body = base64::engine::general_purpose::STANDARD.encode(&changed);
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        assert!(
            matches!(Csr::parse_pem(&pem), Err(PkiFault::BadRequest(_))),
            "byte {place}"
        );
    }
    assert!(matches!(Csr::parse_pem("no request"), Err(PkiFault::BadRequest(_))));
}

#[test]
fn requests_of_other_tools_are_taken_by_the_kind_of_their_key() {
    if with_openssl().is_none() {
        return;
    }
    let room = Room::new();
    let make = |name: &str, key: &[&str]| {
        let (key_path, csr_path) = (room.path(&format!("{name}.key")), room.path(&format!("{name}.csr")));
        let out = ["-out", key_path.to_str().unwrap()];
        let made = openssl(&[&["genpkey", "-algorithm"], key, &out].concat());
        assert!(
            made.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Extensions that a request should not need, as Java's keytool adds them.
        let arguments = [
            "req",
            "-new",
            "-subj",
            "/CN=x",
            "-addext",
            "subjectKeyIdentifier=hash",
            "-addext",
            "basicConstraints=CA:TRUE",
            "-key",
            key_path.to_str().unwrap(),
            "-out",
            csr_path.to_str().unwrap(),
        ];
        assert!(openssl(&arguments).status.success(), "{name}");
        Csr::parse_pem(&fs::read_to_string(csr_path).unwrap())
    };
    for (label, key) in [
        ("P-256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("P-384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("Ed25519", &["ED25519"]),
        ("RSA-2048", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ] {
        let csr = make(label, key).unwrap();
        assert_eq!(csr.key_label(), label);
        let issued = room.authority.issue(&csr, &health(), 30, NOW_US).unwrap();
        let seen = view(&room, &issued.chain_pem);
        assert_eq!((seen.key.as_str(), seen.is_ca, seen.deviations), (label, false, vec![]));
    }
    for (label, key) in [
        ("P-521", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..]),
        ("RSA-1024", &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]),
    ] {
        assert!(matches!(make(label, key), Err(PkiFault::BadRequest(_))), "{label}");
    }
}
