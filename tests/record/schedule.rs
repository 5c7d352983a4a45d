//! `schedule`: requests to a camera at times of day.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::support::mjpeg::MjpegCamera;
use crate::support::rtsp::{PASSWORD, PASSWORD_IN_URL, USER};
use crate::support::site::{QUICK, Site, wait_for};

/// A site whose schedule requests `day` an hour ago and `night` now.
fn site(camera: &MjpegCamera, night: DateTime<Utc>) -> Site {
    let day = Utc::now() - Duration::from_hours(1);
    let entry = |at: DateTime<Utc>, name: &str| {
        format!("{{ at = \"{}\", get = {:?} }}", at.format("%H:%M:%S"), camera.control_url(name))
    };
    let table = format!("url = {:?}\nschedule = [{}, {}]", camera.url(), entry(night, "night"), entry(day, "day"));
    Site::with(QUICK, &[("esp", table)])
}

fn seen(camera: &MjpegCamera) -> Vec<(String, u16)> {
    camera.controls().into_iter().map(|control| (control.path, control.status)).collect()
}

#[test]
fn schedule_sets_the_current_state_at_once_and_the_next_in_time() {
    let camera = MjpegCamera::start();
    let night = Utc::now() + Duration::from_secs(6);
    let site = site(&camera, night);
    let running = site.start(&[]);
    wait_for("day", || (!camera.controls().is_empty()).then_some(()));
    assert!(Utc::now() < night, "it is late");
    wait_for("night", || (camera.controls().len() > 1).then_some(()));
    let late = Utc::now() - night;
    assert!((-1500..3000).contains(&late.num_milliseconds()), "{late}");
    assert_eq!(seen(&camera), [("/day".to_owned(), 200), ("/night".to_owned(), 200)]);
    running.term();
    let output = running.wait().expect_code(143);
    assert_eq!(output.stderr, "");
}

#[test]
fn a_failed_schedule_request_is_logged_and_retried() {
    let camera = MjpegCamera::start();
    camera.fail_controls(1);
    let site = site(&camera, Utc::now() + Duration::from_hours(2));
    let running = site.start(&[]);
    running.wait_for_stderr("500", Duration::from_secs(10));
    wait_for("another try", || (camera.controls().len() > 1).then_some(()));
    assert_eq!(seen(&camera), [("/day".to_owned(), 500), ("/day".to_owned(), 200)]);
    drop(running);
}

/// As long as one waits for another try, which may be minutes, the next is due in time all the same.
#[test]
fn a_failed_schedule_request_does_not_delay_the_next() {
    let camera = MjpegCamera::start();
    camera.fail_controls(1);
    let night = Utc::now() + Duration::from_secs(7);
    let site = site(&camera, night);
    let running = site.start(&[]);
    running.wait_for_stderr("500", Duration::from_secs(10));
    assert!(Utc::now() < night, "it is late");
    wait_for("night", || (camera.controls().len() > 1).then_some(()));
    let late = Utc::now() - night;
    assert!((-1500..2500).contains(&late.num_milliseconds()), "{late}");
    assert_eq!(seen(&camera), [("/day".to_owned(), 500), ("/night".to_owned(), 200)]);
    drop(running);
}

/// What has a meaning in a URL is written as %40 in a password, and sent as it is meant.
#[test]
fn a_schedule_url_with_a_login_sends_it_decoded() {
    use base64::Engine;
    let camera = MjpegCamera::start();
    let url = camera.control_url("day").replace("http://", &format!("http://{USER}:{PASSWORD_IN_URL}@"));
    let table = format!("url = {:?}\nschedule = [{{ at = \"06:00\", get = {url:?} }}]", camera.url());
    let site = Site::with(QUICK, &[("esp", table)]);
    let running = site.start(&[]);
    let asked = wait_for("day", || camera.controls().first().cloned());
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    assert_eq!(asked.authorization, Some(format!("Basic {login}")));
    drop(running);
}
