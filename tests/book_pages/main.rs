//! The guide as a reader gets it: in a browser, every page.

#[path = "../support/mod.rs"]
mod support;

mod browser;

use std::collections::BTreeMap;

use fantoccini::Locator;
use fantoccini::actions::{InputSource, MouseActions, PointerAction};
use fantoccini::key::Key;
use serde_json::{Value, json};

use browser::reader;

const THEMES: [&str; 5] = ["light", "rust", "coal", "navy", "ayu"];

/// Contrast as WCAG 2 computes it, of everything that is drawn, against the ground of the page.
const CONTRASTS: &str = r#"
const channels = text => {
  const context = document.createElement('canvas').getContext('2d');
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return Array.from(context.getImageData(0, 0, 1, 1).data).slice(0, 3);
};
const light = text => {
  const [r, g, b] = channels(text).map(c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const ground = getComputedStyle(document.body).backgroundColor === 'rgba(0, 0, 0, 0)'
  ? getComputedStyle(document.documentElement).backgroundColor : getComputedStyle(document.body).backgroundColor;
const found = [];
for (const [what, property, least] of [['text', 'fill', 4.5], ['.lab-owned', 'fill', 3], ['.lab-mark', 'fill', 3],
    ['.lab-span', 'stroke', 3], ['.lab-node', 'stroke', 3], ['.lab-link', 'stroke', 3]]) {
  for (const drawn of document.querySelectorAll('.lab-figure ' + what)) {
    found.push([what, contrast(getComputedStyle(drawn)[property], ground), least]);
  }
}
return found;
"#;

/// What reaches beyond the right edge, unless something around it can be scrolled.
const OVERFLOWING: &str = r#"
const width = document.documentElement.clientWidth;
const scrolls = element => {
  for (let at = element; at && at !== document.body; at = at.parentElement) {
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(at).overflowX)) return true;
  }
  return false;
};
const found = Array.from(document.querySelectorAll('main *'))
  .filter(element => element.getBoundingClientRect().right > width + 1 && !scrolls(element))
  .map(element => element.outerHTML.slice(0, 100));
if (document.scrollingElement.scrollWidth > width) found.unshift('the page itself: ' + document.scrollingElement.scrollWidth);
return found.slice(0, 5);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_loads_alone_and_without_a_fault() {
    let Some(reader) = reader("every_page_loads", 1200).await else {
        return;
    };
    let mut faults = BTreeMap::new();
    for page in reader.pages() {
        reader.open(&page).await;
        let outside: Vec<String> = reader
            .requested()
            .await
            .into_iter()
            .filter(|url| !url.starts_with(reader.address()) && url.starts_with("http"))
            .collect();
        let errors = reader.console_errors().await;
        let found = reader.faults("{resultTypes: ['violations']}").await;
        if !outside.is_empty() || !errors.is_empty() || found != json!([]) {
            faults.insert(page, (outside, errors, found));
        }
    }
    reader.close().await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_can_be_seen_in_every_theme() {
    let Some(reader) = reader("pictures_can_be_seen", 1200).await else {
        return;
    };
    for theme in THEMES {
        reader.open("labs/06-failover.html").await;
        reader.choose_theme(theme).await;
        reader.keep_picture(&format!("failover-{theme}")).await;
        let found = reader.browser.execute(CONTRASTS, vec![]).await.unwrap();
        let found = found.as_array().unwrap().clone();
        assert!(
            found.len() > 30,
            "{theme}: only {} things are drawn",
            found.len()
        );
        for one in found {
            assert!(
                one[1].as_f64().unwrap() >= one[2].as_f64().unwrap(),
                "{theme}: {one}"
            );
        }
        // And of all that is written.
        let written = reader.faults("{runOnly: ['color-contrast']}").await;
        assert_eq!(written, json!([]), "{theme}");
    }
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_overflows_on_a_telephone() {
    let Some(reader) = reader("nothing_overflows", 360).await else {
        return;
    };
    let mut faults: Vec<(String, Value)> = Vec::new();
    for page in reader.pages() {
        reader.open(&page).await;
        let found = reader.browser.execute(OVERFLOWING, vec![]).await.unwrap();
        if page.ends_with("07-scale-down.html") {
            reader.keep_picture("telephone").await;
        }
        if found != json!([]) {
            faults.push((page, found));
        }
    }
    reader.close().await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_searches_copies_and_goes_on_by_keys() {
    let Some(reader) = reader("a_reader_searches", 1200).await else {
        return;
    };
    let browser = &reader.browser;
    reader.open("labs/07-scale-down.html").await;

    // The button of the first step's command, which is there while the mouse is on the command.
    let typed = "redis-cli -p 7007 CLUSTER MYID";
    let block = format!("//pre[code[normalize-space()='{typed}']]");
    let block = browser.find(Locator::XPath(&block)).await.unwrap();
    let onto_it = PointerAction::MoveToElement {
        element: block.clone(),
        duration: None,
        x: 0.0,
        y: 0.0,
    };
    browser
        .perform_actions(MouseActions::new("mouse".to_owned()).then(onto_it))
        .await
        .unwrap();
    let button = block.find(Locator::Css(".clip-button")).await.unwrap();
    button.click().await.unwrap();
    assert_eq!(reader.clipboard().await.trim_end_matches('\n'), typed);

    // `s` opens the search.
    let body = browser.find(Locator::Css("body")).await.unwrap();
    body.send_keys("s").await.unwrap();
    let field = browser
        .wait()
        .for_element(Locator::Css("#mdbook-searchbar"))
        .await
        .unwrap();
    field.clear().await.unwrap();
    field.send_keys("reshard").await.unwrap();
    browser
        .wait()
        .for_element(Locator::XPath(
            "//ul[@id='mdbook-searchresults']//a[contains(@href, '07-scale-down')]",
        ))
        .await
        .unwrap();

    // A summary opens by Enter, and the right arrow leads to the next chapter.
    reader.open("labs/07-scale-down.html").await;
    let summary = browser
        .find(Locator::Css(".lab-phases summary"))
        .await
        .unwrap();
    summary.send_keys(&Key::Enter.to_string()).await.unwrap();
    let open = browser
        .execute("return document.querySelector('.lab-phases').open", vec![])
        .await
        .unwrap();
    assert_eq!(open, json!(true));
    let body = browser.find(Locator::Css("body")).await.unwrap();
    body.send_keys(&Key::Right.to_string()).await.unwrap();
    reader.wait_for_page("labs/07-scale-down-make.html").await;
    reader.close().await;
}
