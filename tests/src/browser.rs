//! A real browser, driven as a person would: Chromium by way of chromedriver, which speaks W3C WebDriver.
//!
//! Takes addresses, texts for fields and presses of buttons; gives what stands on the page, what the browser complains of, and pictures. There is none where no
//! Chromium is installed, unless `SHUGUAN_BROWSER` is `required`. It trusts any server certificate, and has no client certificate: a browser
//! asks a person which one to show, so a [`Badge`](crate::Badge) shows one for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::eventually;

/// The member under which WebDriver gives an element (section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What chromedriver says of the port that it chose.
const PORT: &str = "was started successfully on port ";

/// An open browser with one window; closed when dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _home: TempDir,
}

impl Browser {
    /// A browser with a window of so many pixels.
    pub fn open(width: u32, height: u32) -> Option<Self> {
        let home = TempDir::new().expect("a temporary folder");
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            let required = std::env::var_os("SHUGUAN_BROWSER").is_some_and(|value| value == "required");
            assert!(!required, "a browser is required: apt-get install chromium-driver");
            println!("not done: no browser is installed");
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = said.find_map(|line| {
            let line = line.expect("a line");
            line.split_once(PORT)?.1.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || said.for_each(drop));
        let mut browser = Self {
            driver,
            port: port.expect("chromedriver says its port"),
            session: String::new(),
            _home: home,
        };
        let arguments = [
            "--headless=new".into(),
            // It runs as whoever runs the tests, root perhaps; it sees pages of ours only.
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--lang=zh-CN".into(),
            format!("--window-size={width},{height}"),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let begun = browser.ask("POST", "/session", Some(&wanted));
        browser.session = format!("/session/{}", begun["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    /// Goes to an address and waits until the page is there.
    pub fn go(&self, address: &str) {
        self.command("POST", "/url", &json!({ "url": address }));
    }

    /// Types a text into the field of that name.
    pub fn fill(&self, name: &str, text: &str) {
        let field = self.element(&format!("[name={name}]"));
        self.command("POST", &format!("/element/{field}/value"), &json!({ "text": text }));
    }

    /// Presses the first element that a CSS selector finds.
    pub fn press(&self, selector: &str) {
        let element = self.element(selector);
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Waits until a person reads that text in the first element that a CSS selector finds: a press may return before the next page is there.
    pub fn shows(&self, selector: &str, text: &str) {
        let (place, wanted) = (Value::from(selector), Value::from(text));
        let reads = format!("return document.querySelector({place})?.innerText.includes({wanted}) ?? false");
        let what = format!("`{selector}` shows `{text}`");
        let asked = json!({"script": reads, "args": []});
        let path = format!("{}/execute/sync", self.session);
        // A script that the next page cuts off is asked again.
        eventually(&what, 20, || {
            let answered = self.request("POST", &path, Some(&asked));
            answered.is_ok_and(|(_, document)| document == br#"{"value":true}"#)
        });
    }

    /// What a script gives that is run in the page.
    pub fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What the browser said on its console since it was last asked: breaches of the content security policy, failed requests, errors.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.command("POST", "/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().expect("lines").iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    /// A picture of the window, PNG.
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), None);
        BASE64.decode(picture.as_str().expect("Base64")).expect("Base64")
    }

    fn element(&self, selector: &str) -> String {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.command("POST", "/element", &wanted);
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("{}{path}", self.session), Some(body))
    }

    /// One request to chromedriver; what it gives as `value`.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, document) = self.request(method, path, body).expect("chromedriver answers");
        let document: Value = serde_json::from_slice(&document).expect("JSON");
        let is_done = status.starts_with("HTTP/1.1 200");
        assert!(is_done, "{method} {path}: {}", document["value"]);
        document["value"].clone()
    }

    /// Status line and body. chromedriver says how long the body is and leaves the connection open.
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(String, Vec<u8>)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut stream = BufReader::new(stream);
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        stream.read_line(&mut status)?;
        while stream.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; what is left when that fails is of the driver's group.
        let _ = self.request("DELETE", &self.session, None);
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}
