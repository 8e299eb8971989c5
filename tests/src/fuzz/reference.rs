//! Any text as an image reference.

use portreeve_protocol::reference::{ImageReference, normal_host};

/// Reads `data` as a reference.
///
/// # Panics
/// If the normalised reference is not normal, or some spelling of it means another image.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(image) = text.parse::<ImageReference>() else { return };

    let written = image.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&image), "it is not written as it is read: {written}");
    assert_eq!(normal_host(&image.host).as_ref(), Ok(&image.host), "the host is not normal");
    assert_eq!(text.contains('@'), image.digest.is_some(), "the digest is lost: {text}");
    assert!(image.tag.is_some() || image.digest.is_some(), "it names nothing: {text}");
    assert!(!image.gun().bytes().any(|byte| byte.is_ascii_uppercase() || byte <= b' '), "{text}");
    if let (Some(tag), Some(_)) = (&image.tag, text.strip_prefix(&image.gun())) {
        let explicit = text.contains(&format!(":{tag}"));
        assert!(explicit || tag == "latest", "the tag {tag} is not in {text}");
    }

    let spellings = image.spellings();
    let canonical = spellings.first().map(|first| (first.host.as_deref(), first.path.as_str()));
    assert_eq!(canonical, Some((Some(image.host.as_str()), image.path.as_str())));
    for spelling in spellings {
        let host = spelling.host.map(|host| format!("{host}/")).unwrap_or_default();
        let name = format!("{host}{}", spelling.path);
        // 64 hexadecimal digits alone are an image id; with a host they are a name.
        if let Ok(read) = name.parse::<ImageReference>() {
            assert_eq!(read.gun(), image.gun(), "{name} means another repository");
        }
    }
}
