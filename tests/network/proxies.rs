//! `http_proxy`, `https_proxy`, `all_proxy`: tinyproxy and microsocks in front of a bucket, a dashcam and an IP camera.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::camera::{Api, Camera};
use crate::support::mjpeg::MjpegCamera;
use crate::support::proxies::{ProxyServer, free_port};
use crate::support::site::{Site, wait_for};
use crate::support::tls::{Authority, TlsRelay};
use crate::support::uploads::{Uploads, content};
use crate::support::{Output, Scratch};

const RECORDING: &str = "20181029_131513_NF";

fn dead() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

/// A pass with these variables.
fn pass(uploads: &Uploads, variables: &[(&str, &str)], options: &[&str]) -> Output {
    let program = variables.iter().fold(uploads.footage(options), |program, (name, value)| program.env(name, value));
    program.run()
}

/// The path of a URL's host and port, for a look into the log of a proxy.
fn authority(url: &str) -> String {
    url.split_once("://").expect("a URL").1.to_owned()
}

#[test]
fn http_proxy_gets_absolute_urls_and_no_connect() {
    let uploads = Uploads::with(&["a b.ts"]);
    uploads.file("large.mp4", content("large.mp4", 17 << 20));
    // As tinyproxy and Squid come: CONNECT is for 443 alone.
    let proxy = ProxyServer::tinyproxy(&uploads.scratch, &[443], None);
    for (n, (variable, scheme)) in
        [("http_proxy", "http://"), ("HTTP_PROXY", ""), ("all_proxy", "http://"), ("ALL_PROXY", "HTTP://")]
            .iter()
            .enumerate()
    {
        uploads.file(&format!("{n}.ts"), content(variable, 3000));
        let passed = pass(&uploads, &[(variable, &proxy.url(scheme))], &[]);
        passed.expect_silence_but_for_removals();
        let line = format!("PUT http://{}/footage/cams/{n}.ts HTTP/1.1", authority(&uploads.s3.endpoint()));
        assert!(proxy.log().contains(&line), "{}", proxy.log());
    }
    uploads.assert_uploaded();
    assert!(!proxy.log().contains("CONNECT 127"), "{}", proxy.log());
    // The keys are the ones of the host, whatever the proxy is called.
    assert!(uploads.s3.proxy.requests().iter().all(|request| request.target.starts_with("/footage")));
}

#[test]
fn https_proxy_gets_connect_and_the_host_its_own_tls() {
    let uploads = Uploads::with(&["a.ts"]);
    let authority = Authority::new(&uploads.scratch);
    let relay = TlsRelay::start(&authority.sign("nas", "IP:127.0.0.1"), uploads.s3.proxy.address().port());
    let proxy = ProxyServer::tinyproxy(&uploads.scratch, &[relay.port()], None);
    let bundle = authority.path.display().to_string();
    let options = ["--endpoint-url", &relay.url(), "--ca-bundle", &bundle];
    pass(&uploads, &[("https_proxy", &proxy.url("http://")), ("http_proxy", &dead())], &options)
        .expect_silence_but_for_removals();
    uploads.assert_uploaded();
    assert!(proxy.log().contains(&format!("CONNECT 127.0.0.1:{} HTTP/1.1", relay.port())), "{}", proxy.log());

    // It does not allow other ports.
    let strict = ProxyServer::tinyproxy(&uploads.scratch, &[443], None);
    uploads.file("b.ts", "b");
    let refused = pass(&uploads, &[("https_proxy", &strict.url("http://"))], &options).expect_code(1);
    assert!(refused.stderr.contains("refuses to connect to the host: 403"), "{refused}");
    assert!(refused.stderr.contains("(https_proxy)") && refused.stderr.contains("no_proxy=127.0.0.1"), "{refused}");
}

#[test]
fn a_proxy_over_tls_tunnels_tls_too() {
    let uploads = Uploads::with(&["a.ts"]);
    let authority = Authority::new(&uploads.scratch);
    let certificate = authority.sign("nas", "IP:127.0.0.1,DNS:localhost");
    let host = TlsRelay::start(&certificate, uploads.s3.proxy.address().port());
    let behind = ProxyServer::tinyproxy(&uploads.scratch, &[host.port()], Some("user pass"));
    let port = behind.url("").rsplit_once(':').expect("a port").1.parse().expect("a number");
    let proxy = TlsRelay::start(&certificate, port);
    let bundle = authority.path.display().to_string();
    let url = format!("https://user:pass@localhost:{}", proxy.port());
    for (name, endpoint) in [("b.ts", host.url()), ("c.ts", uploads.s3.endpoint())] {
        uploads.file(name, name);
        let options = ["--endpoint-url", &endpoint, "--ca-bundle", &bundle];
        pass(&uploads, &[("all_proxy", &url)], &options).expect_silence_but_for_removals();
    }
    uploads.assert_uploaded();
    let log = behind.log();
    assert!(log.contains(&format!("CONNECT 127.0.0.1:{}", host.port())) && log.contains("PUT http://"), "{log}");
}

#[test]
fn all_proxy_is_socks5_with_names_and_a_login() {
    let uploads = Uploads::with(&["a.ts"]);
    let proxy = ProxyServer::microsocks(None);
    // The proxy resolves the name.
    let endpoint = format!("http://localhost:{}", uploads.s3.proxy.address().port());
    let options = ["--endpoint-url", &endpoint, "--addressing", "path"];
    for (n, scheme) in ["socks5://", "socks5h://"].iter().enumerate() {
        uploads.file(&format!("{n}.ts"), content(scheme, 1000));
        pass(&uploads, &[("ALL_PROXY", &proxy.url(scheme))], &["--addressing", "path"])
            .expect_silence_but_for_removals();
    }
    uploads.assert_uploaded();
    let by_name = pass(&uploads, &[("ALL_PROXY", &proxy.url("socks5h://"))], &[&options[..], &["--verify"]].concat());
    assert!(!by_name.stderr.contains("proxy"), "{by_name}");
    assert!(proxy.log().contains("connected to localhost"), "{}", proxy.log());

    let proxy = ProxyServer::microsocks(Some("us@er p:ss"));
    uploads.file("b.ts", "b");
    pass(&uploads, &[("all_proxy", &proxy.url("socks5h://us%40er:p%3Ass@"))], &[]).expect_silence_but_for_removals();
    uploads.assert_uploaded();
    uploads.file("c.ts", "c");
    for (login, why) in [("", "asks for a user and a password"), ("user:wrong@", "refuses this user and password")] {
        let refused = pass(&uploads, &[("all_proxy", &proxy.url(&format!("socks5://{login}")))], &[]).expect_code(1);
        assert!(refused.stderr.contains(why) && refused.stderr.contains("(all_proxy)"), "{refused}");
        assert!(!refused.stderr.contains("wrong"), "{refused}");
    }
}

#[test]
fn a_407_says_what_is_wrong_with_the_login() {
    let uploads = Uploads::with(&["a.ts"]);
    let proxy = ProxyServer::tinyproxy(&uploads.scratch, &[443], Some("user pass"));
    for (login, why) in [("", "asks for a user and a password"), ("user:secret@", "refuses this user and password")] {
        let url = proxy.url(&format!("http://{login}"));
        for (variable, options) in
            [("http_proxy", &[][..]), ("https_proxy", &["--endpoint-url", "https://127.0.0.1:443"][..])]
        {
            let refused = pass(&uploads, &[(variable, &url)], options).expect_code(1);
            assert!(refused.stderr.contains(why) && refused.stderr.contains(variable), "{refused}");
            assert!(!refused.stderr.contains("secret"), "{refused}");
        }
    }
    pass(&uploads, &[("http_proxy", &proxy.url("http://user:p%61ss@"))], &["-vv"]).expect_code(0);
    uploads.assert_uploaded();
    // It stays between the two.
    let told = uploads.s3.proxy.requests();
    assert!(told.iter().all(|request| request.header("proxy-authorization").is_none()), "{told:#?}");
}

#[test]
fn a_dead_proxy_is_named_and_the_exit_code_is_75() {
    let uploads = Uploads::with(&["a.ts"]);
    for (variable, url) in [("http_proxy", dead()), ("ALL_PROXY", dead().replace("http://", "socks5h://user:secret@"))]
    {
        let away = pass(&uploads, &[(variable, &url)], &[]).expect_code(75);
        let wanted = format!("({variable}) is away: Connection refused");
        assert!(away.stderr.contains(&wanted) && away.stderr.contains("set no_proxy=127.0.0.1"), "{away}");
        assert!(!away.stderr.contains("secret"), "{away}");
        pass(&uploads, &[(variable, &url), ("no_proxy", "127.0.0.1")], &["--verify"]).expect_code(3);
    }
    let away = pass(&uploads, &[("http_proxy", "http://proxy.invalid:3128")], &[]).expect_code(75);
    assert!(away.stderr.contains("proxy.invalid:3128 (http_proxy) is away: its name is not known"), "{away}");
    assert!(uploads.keys().is_empty());
}

#[test]
fn a_host_that_is_away_behind_its_proxy_is_75() {
    let uploads = Uploads::with(&["a.ts"]);
    let (http, https) = (dead(), dead().replace("http://", "https://"));
    let port = https.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let tinyproxy = ProxyServer::tinyproxy(&uploads.scratch, &[port], None).url("http://");
    let serving = ProxyServer::tinyproxy(&uploads.scratch, &[port], None);
    let microsocks = ProxyServer::microsocks(None);
    for (proxy, endpoint) in [
        (serving.url("http://"), &http),
        (serving.url("http://"), &https),
        (microsocks.url("socks5://"), &http),
        (microsocks.url("socks5://"), &https),
    ] {
        let away = pass(&uploads, &[("all_proxy", &proxy)], &["--endpoint-url", endpoint]).expect_code(75);
        assert!(away.stderr.contains("(all_proxy) cannot reach the host: "), "{proxy} {endpoint} {away}");
    }
    // It has ended.
    pass(&uploads, &[("all_proxy", &tinyproxy)], &[]).expect_code(75);
}

#[test]
fn a_proxy_that_never_answers_ends_with_the_timeout() {
    let uploads = Uploads::with(&["a.ts"]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("our own socket").port();
    let url = format!("socks5://127.0.0.1:{port}");
    let away = pass(&uploads, &[("all_proxy", &url)], &["--timeout", "1s"]).expect_code(75);
    assert!(away.stderr.contains("did not connect to 127.0.0.1 within --timeout"), "{away}");
}

#[test]
fn what_is_no_proxy_is_wrong_usage() {
    let uploads = Uploads::with(&["a.ts"]);
    for (variable, value) in [("HTTP_PROXY", "::nonsense::"), ("all_proxy", "socks4://user:secret@127.0.0.1:1")] {
        let refused = pass(&uploads, &[(variable, value)], &[]).expect_code(2);
        assert!(refused.stderr.contains(variable) && refused.stderr.contains("is not a proxy"), "{refused}");
        assert!(!refused.stderr.contains("secret"), "{refused}");
    }
    // It is not needed for this URL.
    pass(&uploads, &[("https_proxy", "::nonsense::")], &[]).expect_silence_but_for_removals();
    uploads.assert_uploaded();
}

#[test]
fn http_proxy_of_a_cgi_program_is_not_the_clients() {
    let uploads = Uploads::with(&["a.ts"]);
    pass(&uploads, &[("HTTP_PROXY", &dead()), ("REQUEST_METHOD", "GET")], &[]).expect_silence_but_for_removals();
    uploads.assert_uploaded();
}

#[test]
fn http_proxy_is_used_for_a_dashcam() {
    let scratch = Scratch::new();
    let camera = Camera::start(Api::Old);
    camera.add_recording(RECORDING, 5000);
    let proxy = ProxyServer::tinyproxy(&scratch, &[443], None);
    let dashcam = |variables: &[(&str, &str)]| {
        let program = scratch.footage(["dashcam", &camera.address(), "-d", "dest"]);
        variables.iter().fold(program, |program, (name, value)| program.env(name, value)).run()
    };
    let away = dashcam(&[("http_proxy", &dead())]).expect_code(75);
    assert!(away.stderr.contains("(http_proxy) is away") && away.stderr.contains("no_proxy=127.0.0.1"), "{away}");
    let login = ProxyServer::tinyproxy(&scratch, &[443], Some("user pass"));
    let refused = dashcam(&[("http_proxy", &login.url("http://"))]).expect_code(1);
    assert!(refused.stderr.contains("asks for a user and a password"), "{refused}");
    dashcam(&[("http_proxy", &proxy.url("http://"))]).expect_code(0);
    assert!(scratch.join(format!("dest/{RECORDING}.mp4")).exists());
    assert!(proxy.log().contains(&format!("/Record/{RECORDING}.mp4 HTTP/1.1")), "{}", proxy.log());
    // The camera has gone; the proxy has not.
    drop(camera);
    let socks = ProxyServer::microsocks(None);
    for url in [proxy.url("http://"), socks.url("socks5://")] {
        let away = scratch.footage(["dashcam", &authority(&dead()), "-d", "dest"]).env("http_proxy", url).run();
        let away = away.expect_code(75);
        assert!(away.stderr.contains("cannot reach the host") && away.stderr.contains("no_proxy"), "{away}");
    }
}

#[test]
fn http_proxy_is_used_for_jpeg_cameras_and_schedule_requests() {
    let camera = MjpegCamera::start();
    let table = format!(
        "url = {:?}\nvideo = \"copy\"\nschedule = [{{ at = \"00:00\", get = {:?} }}]",
        camera.url(),
        camera.control_url("day")
    );
    let site = Site::with("segment = \"1h\"", &[("yard", table)]);
    let scratch = Scratch::new();
    let tinyproxy = ProxyServer::tinyproxy(&scratch, &[443], Some("user pass"));
    let microsocks = ProxyServer::microsocks(Some("user pass"));
    let check = |url: &str| site.record(&["--check"]).env("http_proxy", url).run();
    for url in [tinyproxy.url("http://user:pass@"), microsocks.url("socks5://user:pass@")] {
        let checked = check(&url).expect_code(0);
        assert!(checked.stdout.contains("ok"), "{checked}");
    }
    assert!(tinyproxy.log().contains("GET http://127.0.0.1:"), "{}", tinyproxy.log());
    for url in [dead(), tinyproxy.url("http://"), microsocks.url("socks5://"), microsocks.url("socks5://u:secret@")] {
        let failed = check(&url).expect_code(3);
        assert!(failed.stdout.contains("(http_proxy)") && failed.stdout.contains("no_proxy=127.0.0.1"), "{failed}");
        assert!(!failed.stdout.contains("secret"), "{failed}");
    }
    let running = site.record(&[]).env("http_proxy", tinyproxy.url("http://user:pass@")).spawn();
    wait_for("the request of the schedule", || {
        tinyproxy.log().contains(&format!("GET {} HTTP/1.1", camera.control_url("day"))).then_some(())
    });
    running.term();
    running.wait();
}

#[test]
fn http_proxy_is_used_for_the_pushgateway() {
    let scratch = Scratch::new();
    let gateway = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = gateway.local_addr().expect("our own socket");
    let served = thread::spawn(move || {
        let (mut client, _) = gateway.accept().expect("a client");
        let mut request = vec![0; 64 << 10];
        let length = client.read(&mut request).expect("a request");
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let proxy = ProxyServer::tinyproxy(&scratch, &[443], None);
    scratch.write("card/Record/x", "");
    let push = format!("http://{address}");
    let program = scratch.footage(["dashcam", "./card", "-d", "dest", "--metrics-pushgateway-url", &push]);
    program.env("http_proxy", proxy.url("http://")).run();
    assert!(served.join().expect("served").starts_with("PUT /metrics/job/blackvuesync/instance"));
    assert!(proxy.log().contains(&format!("PUT http://{address}/metrics/job")), "{}", proxy.log());
}
