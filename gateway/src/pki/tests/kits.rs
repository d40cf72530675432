//! Kits and PKCS #12 files: what a partner or officer gets.

use super::*;

#[test]
fn openssl_opens_the_p12_and_finds_the_chain() {
    if with_openssl().is_none() {
        return;
    }
    let room = Room::new();
    room.issue(&auditor(), NOW_US);
    let chain = fs::read_to_string(room.path("auditor-3/client.pem")).unwrap();
    let key = keyfile::read_secret(&room.path("auditor-3/client.key")).unwrap();
    let password = p12::random_password().unwrap();
    assert_eq!(password.len(), 23);
    for (cipher, extra) in [(Cipher::Modern, None), (Cipher::Legacy, Some("-legacy"))] {
        let path = room.path(&format!("{cipher:?}.p12"));
        keyfile::create_secret(&path, &p12::encode(&chain, &key, &password, "auditor", cipher).unwrap()).unwrap();
        let open = |password: &str| {
            let pass = format!("pass:{password}");
            let mut arguments = vec!["pkcs12", "-in", path.to_str().unwrap(), "-nodes", "-passin", &pass];
            arguments.extend(extra);
            openssl(&arguments)
        };
        let opened = open(&password);
        let text = String::from_utf8_lossy(&opened.stdout).into_owned();
        assert!(
            opened.status.success(),
            "{cipher:?}: {}",
            String::from_utf8_lossy(&opened.stderr)
        );
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{cipher:?}");
        let inner: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(
            text.replace('\n', "").contains(&inner.concat()),
            "{cipher:?}: the same key"
        );
        assert!(!open("wrong").status.success(), "{cipher:?}");
    }
}

#[test]
fn the_page_of_a_kit_has_every_line_and_no_blank_to_fill_in() {
    let folder = TempDir::new().unwrap();
    let made = demo(folder.path(), false, NOW_US).unwrap();
    let page = fs::read_to_string(folder.path().join("partners/health-city/说明.md")).unwrap();
    for line in [
        "shuguan push sample.ndjson --record health/birth-certificate --purpose enrolment.registration -c client.toml",
        "--data-binary @sample.ndjson https://127.0.0.1:8443/v1/feeds/health/birth-certificate",
        "-H 'Content-Type: application/x-ndjson; charset=utf-8'",
        "Invoke-RestMethod",
        "java Push.java https://127.0.0.1:8443/v1/feeds/health/birth-certificate sample.ndjson 'application/x-ndjson; charset=utf-8' enrolment.registration",
        "spiffe://lyg.example/agency/health/city",
        &made.root_sha256,
    ] {
        assert!(page.contains(line), "{line}");
    }
    for name in [
        "{gateway}",
        "{file}",
        "{type}",
        "{record}",
        "{purpose}",
        "{calls}",
        "{zh}",
        "{id}",
        "{root}",
        "{not_after}",
        "{spiffe}",
    ] {
        assert!(!page.contains(name), "{name}");
    }
    assert!(folder.path().join("partners/health-city/Push.java").exists());
}

#[test]
fn every_agency_has_a_sample_that_can_be_read_back() {
    use shuguan_adapters::layout::Layout;
    for agency in ["public-security", "civil-affairs", "health", "commerce", "tax"] {
        let sample = Sample::of_agency(agency).unwrap();
        assert!(sample.record.starts_with(agency));
        if shuguan_adapters::catalogue::record_type(sample.record).is_none() {
            continue;
        }
        let layout = Layout::from_content_type(&sample.content_type).unwrap();
        assert_eq!(Layout::detect(sample.file_name, &sample.bytes), layout, "{agency}");
        assert!(sample.bytes.split(|byte| *byte == b'\n').count() > 20, "{agency}");
    }
    assert_eq!(Sample::of_agency("post"), None);
}

#[test]
fn the_p12_of_a_demo_officer_opens_with_its_password_file() {
    if with_openssl().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let made = demo(folder.path(), false, NOW_US).unwrap();
    let file = |ending: &str| folder.path().join(format!("officers/auditor.{ending}"));
    let pass = format!("file:{}", file("password").display());
    let opened = openssl(&[
        "pkcs12",
        "-in",
        file("p12").to_str().unwrap(),
        "-nodes",
        "-passin",
        &pass,
    ]);
    let text = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert_eq!(
        text.matches("BEGIN CERTIFICATE").count(),
        3,
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    assert_eq!(
        fs::read_to_string(file("password")).unwrap().trim_end(),
        made.officers[0].1.as_str()
    );
    assert!(
        !format!("{made:?}").contains(made.officers[0].1.as_str()),
        "Debug shows no password"
    );
}
