//! Where a redirect leads, when it stays where it is. What was meant for one host, a password above all, is not sent to
//! another one because that host says so. Pure.

use ureq::http::Uri;
use ureq::http::header::LOCATION;
use ureq::http::response::Response;

/// A redirect of a host to itself is followed so often.
const MAX_REDIRECTS: u32 = 3;

/// Asks for a URL, and for what the answers redirect to as long as that stays at its host: the last answer.
///
/// # Errors
/// Those of `ask`.
pub fn follow<B, E>(url: &str, mut ask: impl FnMut(&str) -> Result<Response<B>, E>) -> Result<Response<B>, E> {
    let mut url = url.to_owned();
    let mut answer = ask(&url)?;
    for _ in 0..MAX_REDIRECTS {
        let Some(target) = within(&url, &answer) else { break };
        url = target;
        answer = ask(&url)?;
    }
    Ok(answer)
}

/// The URL that an answer to a request for `here` redirects to, when it stays at that host.
fn within<B>(here: &str, answer: &Response<B>) -> Option<String> {
    let here = here.parse::<Uri>().ok()?;
    let target = location(answer)?.parse::<Uri>().ok()?;
    let is_here = target.host().is_none()
        || (target.scheme(), target.host(), target.port_u16()) == (here.scheme(), here.host(), here.port_u16());
    let path = target.path_and_query().filter(|path| is_here && path.as_str().starts_with('/'))?;
    Some(format!("{}://{}{path}", here.scheme_str()?, here.authority()?))
}

/// Where an answer redirects to, if it does.
#[must_use]
pub fn location<B>(answer: &Response<B>) -> Option<&str> {
    if !answer.status().is_redirection() {
        return None;
    }
    answer.headers().get(LOCATION)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_loop_ends() {
        let mut asked = Vec::new();
        let answer = follow("http://cam/0", |url| {
            asked.push(url.to_owned());
            Response::builder().status(302).header(LOCATION, format!("/{}", asked.len())).body(())
        });
        assert_eq!(asked, ["http://cam/0", "http://cam/1", "http://cam/2", "http://cam/3"]);
        assert_eq!(answer.ok().as_ref().and_then(location), Some("/4"));
    }

    #[test]
    fn only_redirects_on_the_same_host_are_followed() {
        let here = "http://user:pass@cam:8080/Record/x";
        let to = |location: &str| {
            let answer = Response::builder().status(302).header(LOCATION, location).body(()).expect("an answer");
            within(here, &answer)
        };
        assert_eq!(to("/y?z=1").as_deref(), Some("http://user:pass@cam:8080/y?z=1"));
        assert_eq!(to("http://cam:8080/y").as_deref(), Some("http://user:pass@cam:8080/y"));
        // As a path it stays at the host, whatever it looks like.
        assert_eq!(to("//evil/y").as_deref(), Some("http://user:pass@cam:8080//evil/y"));
        for elsewhere in [
            "http://evil/y",
            "http://cam/y",
            "http://cam:80/y",
            "https://cam:8080/y",
            "http://cam:8080@evil/y",
            "http://cam.evil:8080/y",
            "file:///etc/passwd",
            "y",
            "",
            "?x",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
        let found = Response::builder().status(200).header(LOCATION, "/y").body(()).expect("an answer");
        assert_eq!(within(here, &found), None);
    }
}
