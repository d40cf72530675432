//! The console in a real browser: each page as an officer sees it, and what a page of another site can make his browser do.

use shuguan_tests::{Badge, Browser, Call, Deployment, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const AUDITOR: &str = "auditor-zhao";
const SEARCH: &str = "button.first";
/// Of the button that opens the exchange of a push.
const OPEN_PUSH: &str = "tr:has(.kind.push) button.id";
/// What would be markup, if it were not a text.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// Parts of a page that do not fit: the page or a table wider than its place, and cells in which hardly a word stands beside another.
const MISFITS: &str = "
  const wide = [document.documentElement, ...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1);
  const squeezed = [...document.querySelectorAll('td, dd')].filter(cell => {
    const style = getComputedStyle(cell), text = cell.innerText.trim();
    const room = cell.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return text.length > 3 && room < 3 * parseFloat(style.fontSize);
  });
  return [...wide, ...squeezed].map(e => e.tagName + ' ' + e.className + ': ' + e.innerText.slice(0, 40));";

/// The page is whole: the browser complains of nothing, and all of it can be read without scrolling sideways.
fn is_whole(browser: &Browser, page: &str) {
    assert_eq!(browser.complaints(), Vec::<String>::new(), "{page}");
    assert_eq!(browser.run(MISFITS), serde_json::json!([]), "{page}");
    assert!(browser.picture().starts_with(b"\x89PNG"), "{page}");
}

/// An auditor's browser at the console of a gateway that has taken two people of the police's; both are in the registry.
fn at_the_console(walk: impl AsyncFnOnce(&Browser, &Deployment, &Badge)) {
    let Some(browser) = Browser::open(1_400, 1_000) else {
        return;
    };
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let feed = [resident(&nobody(1), "某某"), resident(&nobody(2), "某人")].concat();
        let push = Call::push(RESIDENT, NDJSON, feed);
        let answer = running.call(push, &gateway.partner(POLICE)).await.unwrap();
        assert_eq!(answer.status, 202);
        eventually("they are in the registry", 20, || {
            registry_count(&gateway.registry(), "person") == 2
        });
        let badge = Badge::of(&gateway, &gateway.officer(AUDITOR)).await;
        walk(&browser, &gateway, &badge).await;
        assert_eq!(running.stop(), Some(0));
    });
}

fn asked(gateway: &Deployment) -> usize {
    let leaves = leaves(&gateway.journal());
    leaves.iter().filter(|leaf| leaf["k"] == "officer-query").count()
}

/// Case number and reason, as each question must have them.
fn state_ground(browser: &Browser, case: &str) {
    browser.fill("case", case);
    browser.press("option[value=complaint]");
}

#[test]
fn an_officer_finds_an_exchange_and_a_person_and_every_page_is_whole() {
    at_the_console(async |browser, gateway, badge| {
        browser.go(&badge.address("/console/"));
        browser.shows("h1", "总览");
        browser.shows(".title .state", "网关就绪");
        is_whole(browser, "the overview");

        browser.go(&badge.address("/console/exchanges"));
        is_whole(browser, "the empty form");
        state_ground(browser, "投诉-2026-031");
        browser.press(SEARCH);
        browser.shows("table.list", "连云港市公安局");
        is_whole(browser, "the exchanges");
        browser.press(OPEN_PUSH);
        browser.shows(".proof h2", "有效");
        browser.shows(".proof h2", "见证 0");
        browser.shows(".proof .witnesses", "未配置见证方");
        browser.shows("h1", "户籍人口");
        browser.press("summary");
        is_whole(browser, "an exchange");

        browser.go(&badge.address("/console/person"));
        state_ground(browser, "投诉-2026-031");
        browser.fill("person", &nobody(1));
        browser.press(SEARCH);
        browser.shows("table.list .fields", "公民身份号码");
        let page = browser.run("return location.href + document.documentElement.outerHTML");
        assert!(
            !page.as_str().unwrap().contains(&nobody(1)),
            "the number is neither in the address nor on the page"
        );
        is_whole(browser, "a person");
        assert_eq!(asked(gateway), 3, "each question is a leaf, an empty form is none");
    });
}

#[test]
fn what_an_officer_types_is_shown_as_a_text_whatever_it_looks_like() {
    at_the_console(async |browser, _, badge| {
        browser.go(&badge.address("/console/exchanges"));
        state_ground(browser, MARKUP);
        browser.press(SEARCH);
        browser.shows("table.list", "户籍人口");
        let case = "return document.querySelector('[name=case]').value";
        assert_eq!(browser.run(case), MARKUP);
        browser.press(OPEN_PUSH);
        browser.shows(".title .aside", MARKUP);
        assert_eq!(browser.run("return document.querySelectorAll('main img').length"), 0);
        is_whole(browser, "an exchange");
    });
}

#[test]
fn a_form_of_another_site_that_comes_with_the_officers_certificate_is_refused_and_asks_nothing() {
    at_the_console(async |browser, gateway, badge| {
        // Even with a token that the console made for this very officer and form.
        browser.go(&badge.address("/console/exchanges"));
        let token = browser.run("return document.querySelector('[name=token]').value");
        let form = format!(
            "data:text/html,<form method=post action={}><input name=token value={}><input name=case value=T-1>\
             <input name=why value=routine><button>go</button></form>",
            badge.address("/console/exchanges"),
            token.as_str().unwrap()
        );
        browser.go(&form);
        browser.press("button");
        browser.shows("main", "SG8102");
        assert!(browser.run("return document.querySelector('table.list')").is_null());
        assert_eq!(asked(gateway), 0);
        eventually("the refusal is a leaf", 10, || {
            let leaves = leaves(&gateway.journal());
            leaves
                .iter()
                .any(|leaf| leaf["k"] == "refusal" && leaf["code"] == "cross-site")
        });
    });
}
