//! footage loads no code of the host, whatever `/etc/nsswitch.conf` says: the test modules write a file when they are loaded.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use std::time::Duration;

use super::{camera, expect_found};
use crate::support::bench::{Bench, clip};
use crate::support::hikvision::Model;
use crate::support::mjpeg::MjpegCamera;
use crate::support::network::{in_own_network, replace, start_dnsmasq};
use crate::support::raw::RawServer;
use crate::support::site::{QUICK, Site, wait_for};
use crate::support::uploads::Uploads;
use crate::support::{Program, Running, Scratch};

/// All that Debian, Ubuntu, Raspberry Pi OS and Fedora write, and more.
const NSSWITCH: [&str; 3] = [
    "passwd: files systemd\ngroup: files systemd\nhosts: files mdns4_minimal [NOTFOUND=return] dns\nservices: db files\nprotocols: db files\n",
    "passwd: compat\ngroup: compat\nhosts: files myhostname dns\nservices: db files\n",
    "passwd: sss systemd files\ngroup: sss systemd\nhosts: mymachines resolve [!UNAVAIL=return] mdns wins files dns\n\
     networks: db\nservices: sss db\nprotocols: sss db\nnetgroup: nis\n",
];
const MODULES: [&str; 11] =
    ["mdns4_minimal", "mdns", "myhostname", "mymachines", "resolve", "wins", "systemd", "compat", "db", "sss", "nis"];

/// What a module is: it writes down the program that has loaded it.
const MODULE: &str = r#"
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
    char name[64];
    int from = open("/proc/self/comm", O_RDONLY), to = open(MARK, O_WRONLY | O_CREAT | O_APPEND, 0666);
    long length = read(from, name, sizeof name);
    if (length > 0 && write(to, name, length) < 0) _exit(1);
}
"#;
/// A static program that asks the C library.
const CONTROL: &str = r"
#include <netdb.h>
#include <pwd.h>
#include <sys/socket.h>
int main(void) {
    struct addrinfo *found;
    struct passwd *user = getpwuid(54321);
    return getaddrinfo(NAME, 0, 0, &found) == 0 && user;
}
";

/// A host with modules, and a DNS server that knows some names.
struct Host {
    scratch: Scratch,
    modules: PathBuf,
    mark: PathBuf,
    _dns: Running,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::new();
        let (modules, mark) = (scratch.join("modules"), scratch.join("mark"));
        fs::create_dir(&modules).unwrap();
        let module = modules.join("module.so");
        let define = format!("-DMARK=\"{}\"", mark.display());
        cc(&["-shared", "-fPIC", &define], &scratch.write("module.c", MODULE), &module);
        for name in MODULES {
            fs::copy(&module, modules.join(format!("libnss_{name}.so.2"))).unwrap();
        }
        // A character set, which iconv would load.
        fs::copy(&module, modules.join("footage.so")).unwrap();
        scratch.write(
            "modules/gconv-modules",
            "module ISO-8859-15// INTERNAL footage 1\nmodule INTERNAL ISO-8859-15// footage 1\n",
        );
        let names = ["--address=/lan.example/127.0.0.1", "--host-record=nas.local,127.0.0.1"];
        let dns = start_dnsmasq(&scratch, "search lan.example\n", &names);
        Self { scratch, modules, mark, _dns: dns }
    }

    /// Where a program looks for modules first, a static one too.
    fn with_modules(&self, program: Program) -> Program {
        let program = program.env("LD_LIBRARY_PATH", &self.modules).env("GCONV_PATH", &self.modules);
        program.env("LC_ALL", "de_DE.ISO-8859-15").env("LANG", "de_DE.ISO-8859-15")
    }

    /// The programs that have loaded a module since this was last asked.
    fn loaded(&self) -> String {
        let loaded = fs::read_to_string(&self.mark).unwrap_or_default();
        let _ = fs::remove_file(&self.mark);
        loaded
    }

    /// No module was loaded by footage. (An ffmpeg or a hook that it runs may load what it likes.)
    #[track_caller]
    fn assert_none_loaded(&self) {
        let loaded = self.loaded();
        assert!(!loaded.contains("footage"), "{loaded}");
    }
}

#[track_caller]
fn cc(options: &[&str], source: &Path, output: &Path) {
    Program::new("cc").args(options).arg("-o").arg(output).arg(source).run().expect_code(0);
}

/// That the modules would be found: a static program that asks the C library loads them, and mostly dies of it.
#[test]
fn nss_modules_are_loaded_by_a_static_program_that_asks_the_c_library() {
    in_own_network!();
    let host = Host::new();
    let control = host.scratch.join("control");
    cc(&["-static", "-DNAME=\"nas.local\""], &host.scratch.write("control.c", CONTROL), &control);
    for nsswitch in NSSWITCH {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        host.with_modules(Program::new(&control)).run();
        assert!(host.loaded().contains("control"), "nothing was loaded for {nsswitch}");
    }
}

#[test]
fn nss_modules_are_not_loaded_by_dashcam() {
    in_own_network!();
    let (host, camera) = (Host::new(), camera());
    let port = camera.address().rsplit_once(':').unwrap().1.to_owned();
    for nsswitch in NSSWITCH {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        for (name, code) in
            [("nas.local", 0), ("cam.localhost", 0), ("dashcam", 0), ("away.local", 75), ("away.example.", 75)]
        {
            let arguments = ["dashcam", &format!("{name}:{port}"), "-d", "dest", "--timeout", "3"];
            host.with_modules(host.scratch.footage(arguments)).run().expect_code(code);
            host.assert_none_loaded();
        }
        expect_found(&host.scratch, "nas.local", &camera);
    }
}

#[test]
fn nss_modules_are_not_loaded_by_upload() {
    in_own_network!();
    let host = Host::new();
    let files: Vec<String> = (1..=8).map(|n| format!("cam/{n}.ts")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let uploads = Uploads::with(&files);
    for nsswitch in NSSWITCH {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        for (name, code) in
            [("nas.local", 0), ("s3.localhost", 0), ("s3", 0), ("away.local", 75), ("away.example.", 75)]
        {
            let options = [
                "--endpoint-url",
                &format!("http://{}", uploads.s3.endpoint_at(name)),
                "--timeout",
                "3s",
                "--jobs",
                "8",
            ];
            // The home directory comes from /etc/passwd.
            let program = uploads.footage(&options[2..]).args(&options[..2]).env_remove("HOME");
            let output = host.with_modules(program).run().expect_code(code);
            assert_eq!(output.stderr.contains("its name is not known"), code == 75, "{output}");
            host.assert_none_loaded();
        }
        uploads.assert_uploaded();
    }
}

/// The name of a proxy is resolved here, that of the server by the proxy.
#[test]
fn nss_modules_are_not_loaded_for_a_proxy() {
    in_own_network!();
    let (host, uploads) = (Host::new(), Uploads::with(&["cam/1.ts"]));
    let proxy = RawServer::start(|_| b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".to_vec());
    for (nsswitch, name) in NSSWITCH.into_iter().zip(["nas.local", "proxy.localhost", "proxy"]) {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        let before = proxy.requests().len();
        let program = uploads.footage(&["--endpoint-url", "http://s3.away.local", "--timeout", "3s"]);
        let program = program.env("http_proxy", format!("http://{name}:{}", proxy.address().port()));
        host.with_modules(program).run();
        assert!(proxy.requests().len() > before, "{name}");
        host.assert_none_loaded();
    }
}

/// A Pushgateway has a name in every pass.
#[test]
fn nss_modules_are_not_loaded_by_hikvision() {
    in_own_network!();
    let (host, gateway) = (Host::new(), RawServer::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let bench = Bench::new();
    bench.camera("yard", Model::default()).record(&clip(), "2025-09-07 14:00:15");
    for nsswitch in NSSWITCH {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        let before = gateway.requests().len();
        for name in ["nas.local", "gateway.localhost", "gateway"] {
            let url = format!("http://{name}:{}", gateway.address().port());
            host.with_modules(bench.footage(&["--metrics-pushgateway-url", &url])).run().expect_code(0);
            host.assert_none_loaded();
        }
        assert_eq!(gateway.requests().len(), before + 3);
        let url = format!("http://away.local:{}", gateway.address().port());
        let output = host.with_modules(bench.footage(&["--metrics-pushgateway-url", &url])).run();
        assert!(output.stderr.contains("its name is not known"), "{output}");
        host.assert_none_loaded();
    }
}

/// Names in `listen`, in a schedule, and of a Pushgateway. (Those of cameras are ffmpeg's.)
#[test]
fn nss_modules_are_not_loaded_by_record() {
    in_own_network!();
    let (host, gateway) = (Host::new(), RawServer::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let camera = MjpegCamera::start();
    let day = Utc::now() - Duration::from_hours(1);
    for (nsswitch, name) in NSSWITCH.into_iter().zip(["nas.local", "cam.localhost", "cam"]) {
        replace(&host.scratch, "/etc/nsswitch.conf", nsswitch);
        let seen = camera.controls().len();
        let get = camera.control_url("day").replace("127.0.0.1", name);
        let table =
            format!("url = {:?}\nschedule = [{{ at = \"{}\", get = {get:?} }}]", camera.url(), day.format("%H:%M:%S"));
        let site = Site::with(QUICK, &[("esp", table)]);
        let gateway = format!("http://{name}:{}", gateway.address().port());
        let program = site.record(&["--listen", "localhost:0", "--metrics-pushgateway-url", &gateway]);
        let running = host.with_modules(program).spawn();
        wait_for("the schedule", || (camera.controls().len() > seen).then_some(()));
        running.term();
        let output = running.wait().expect_code(143);
        assert!(!output.stderr.contains("not known"), "{output}");
        host.assert_none_loaded();
    }
    assert!(!gateway.requests().is_empty(), "nothing was pushed");
}

/// Without HOME the credentials are found where `/etc/passwd` says.
#[test]
fn nss_modules_are_not_loaded_for_the_home_directory() {
    in_own_network!();
    let host = Host::new();
    let uploads = Uploads::with(&["cam/1.ts"]);
    let home = uploads.scratch.join("home");
    let keys = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        crate::support::s3::ACCESS_KEY,
        crate::support::s3::SECRET_KEY
    );
    uploads.scratch.write("home/.aws/credentials", keys);
    replace(&host.scratch, "/etc/passwd", &format!("root:x:0:0:root:{}:/bin/sh\n", home.display()));
    replace(&host.scratch, "/etc/nsswitch.conf", "passwd: sss systemd files\nhosts: myhostname\n");
    let program = uploads.footage(&[]).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    host.with_modules(program.env_remove("HOME")).run().expect_code(0);
    uploads.assert_uploaded();
    host.assert_none_loaded();
}
