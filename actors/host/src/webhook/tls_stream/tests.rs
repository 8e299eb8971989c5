//! Connections to the client of `tokio-rustls`, over a pipe in memory.

use std::error::Error;

use portreeve_lab::LoopbackTls;
use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_rustls::{TlsConnector, client};

use super::*;

type Outcome<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Pair = (TlsStream<DuplexStream>, client::TlsStream<DuplexStream>);

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
/// Room of the connection between the two sides.
const PIPE: usize = 64 << 10;

fn connector(
    tls: &LoopbackTls,
    version: &'static SupportedProtocolVersion,
) -> Outcome<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.ca_pem().as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Both sides of a connection that passes on `pipe` bytes at a time, after their handshake.
async fn pair(version: &'static SupportedProtocolVersion, pipe: usize) -> Outcome<Pair> {
    let tls = LoopbackTls::new()?;
    let (near, far) = duplex(pipe);
    let connector = connector(&tls, version)?;
    let connecting = connector.connect(ServerName::try_from("localhost")?, far);
    let mut config = ServerConfig::clone(&*tls.server_config()?);
    // Tickets are sent behind the handshake, where the client does not read yet: a narrow pipe has
    // no room for them.
    config.send_tls13_tickets = 0;
    let (server, client) = tokio::join!(TlsStream::accept(near, config.into()), connecting);
    Ok((server?, client?))
}

/// Sends all that comes back.
async fn echo(mut server: TlsStream<DuplexStream>) -> Outcome {
    let mut room = vec![0; 5_000];
    loop {
        let read = server.read(&mut room).await?;
        if read == 0 {
            break;
        }
        server.write_all(&room[..read]).await?;
        server.flush().await?;
    }
    server.shutdown().await?;
    Ok(())
}

/// What comes back of `sent`, written in pieces of `piece` bytes.
async fn echoed(pair: Pair, sent: &[u8], piece: usize) -> Outcome<Vec<u8>> {
    let (server, client) = pair;
    let (mut reading, mut writing) = split(client);
    let mut received = Vec::new();
    let write = async {
        for piece in sent.chunks(piece) {
            writing.write_all(piece).await?;
            writing.flush().await?;
        }
        writing.shutdown().await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let read = async { Ok::<_, Box<dyn Error>>(reading.read_to_end(&mut received).await?) };
    let (served, written, read) = tokio::join!(echo(server), write, read);
    served?;
    written?;
    read?;
    Ok(received)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn run<T>(test: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test)
}

#[test]
fn what_is_agreed_on_is_known_after_the_handshake() -> Outcome {
    for (version, named) in
        VERSIONS.into_iter().zip([ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3])
    {
        let (server, _client) = run(pair(version, PIPE))?;
        assert_eq!(server.state().protocol_version(), Some(named));
        assert_eq!(server.state().alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(server.state().peer_certificates().is_none());
    }
    Ok(())
}

#[test]
fn a_connection_may_take_few_bytes_at_a_time_from_its_handshake_on() -> Outcome {
    for version in VERSIONS {
        for pipe in [16, 24, 64, 200, 400] {
            let sent = bytes(3_000);
            let received = run(async { echoed(pair(version, pipe).await?, &sent, 1_000).await })?;
            assert!(received == sent, "{pipe}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_that_is_sent_comes_in_order_in_whatever_pieces(
        version in 0_usize..2,
        length in 1_usize..100_000,
        piece in 1_usize..40_000,
        pipe in 1_usize..40_000,
    ) {
        let sent = bytes(length);
        let piece = piece.max(length / 200);
        let received = run(async {
            echoed(pair(VERSIONS[version], pipe.max(16)).await?, &sent, piece).await
        });
        prop_assert!(received.map_err(|why| TestCaseError::fail(why.to_string()))? == sent);
    }
}

#[tokio::test]
async fn a_connection_keeps_no_room_between_two_reviews() -> Outcome {
    let (mut server, mut client) = pair(&TLS13, PIPE).await?;
    // Once in one piece, once with more than is asked for, once in several records.
    for (length, room) in [(8_000, 16_384), (8_000, 4_096), (40_000, 16_384)] {
        client.write_all(&bytes(length)).await?;
        client.flush().await?;
        let (mut received, mut room) = (Vec::new(), vec![0; room]);
        while received.len() < length {
            let read = server.read(&mut room).await?;
            received.extend_from_slice(&room[..read]);
        }
        assert!(received == bytes(length));
        server.write_all(b"answer").await?;
        server.flush().await?;
        client.read_exact(&mut [0; 6]).await?;
        let kept = [
            server.partial.capacity(),
            server.plain.capacity(),
            server.session.outgoing.capacity(),
        ];
        assert_eq!(kept, [0; 3]);
    }
    Ok(())
}

#[tokio::test]
async fn what_the_client_does_not_take_holds_the_writer_up() -> Outcome {
    let (mut server, mut client) = pair(&TLS13, 1_000).await?;
    let sent = bytes(200_000);
    let mut written = 0;
    let mut writing = std::pin::pin!(async {
        while written < sent.len() {
            written +=
                poll_fn(|context| Pin::new(&mut server).poll_write(context, &sent[written..]))
                    .await?;
            assert!(server.session.outgoing.len() <= SENT + OVERHEAD);
        }
        server.flush().await
    });
    // Nobody reads yet.
    assert!(futures_util::poll!(writing.as_mut()).is_pending());
    let mut received = vec![0; sent.len()];
    let (written, read) = tokio::join!(writing, client.read_exact(&mut received));
    written?;
    read?;
    assert!(received == sent);
    Ok(())
}

#[tokio::test]
async fn the_clients_word_is_the_end_and_silence_is_an_error() -> Outcome {
    for version in VERSIONS {
        let (mut server, mut client) = pair(version, PIPE).await?;
        client.write_all(b"last").await?;
        client.shutdown().await?;
        let mut received = Vec::new();
        server.read_to_end(&mut received).await?;
        assert_eq!(received, b"last");
        assert_eq!(server.read(&mut [0; 8]).await?, 0, "it stays at its end");
        // The other direction is still open.
        server.write_all(b"answer").await?;
        server.shutdown().await?;
        server.shutdown().await?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await?;
        assert_eq!(answer, b"answer", "and its end was told, or this were an error");

        let (mut server, client) = pair(version, PIPE).await?;
        drop(client);
        let failure = server.read(&mut [0; 8]).await.err().map(|failure| failure.kind());
        assert_eq!(failure, Some(ErrorKind::UnexpectedEof));
        let failure = server.write_all(&bytes(100_000)).await.err().map(|failure| failure.kind());
        assert_eq!(failure, Some(ErrorKind::BrokenPipe));
    }
    Ok(())
}

#[tokio::test]
async fn a_client_may_change_its_keys() -> Outcome {
    let (mut server, mut client) = pair(&TLS13, PIPE).await?;
    for round in 0..3_u8 {
        client.get_mut().1.refresh_traffic_keys()?;
        client.write_all(&[round; 9]).await?;
        client.flush().await?;
        let mut received = [0; 9];
        server.read_exact(&mut received).await?;
        assert_eq!(received, [round; 9]);
        server.write_all(&received).await?;
        server.flush().await?;
        client.read_exact(&mut received).await?;
        assert_eq!(received, [round; 9]);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_is_not_understood_is_told_so() -> Outcome {
    let (near, mut far) = duplex(PIPE);
    far.write_all(b"GET /livez HTTP/1.1\r\n\r\n").await?;
    let config = LoopbackTls::new()?.server_config()?;
    let refused = TlsStream::accept(near, config).await.err().ok_or("it was accepted")?;
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    assert!(refused.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()), "{refused}");
    let mut told = Vec::new();
    far.read_to_end(&mut told).await?;
    // RFC 8446, section 6: a record of type 21, in it the level 2, fatal.
    assert_eq!((told.first(), told.get(5)), (Some(&21), Some(&2)), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn what_was_changed_on_its_way_is_an_error_that_the_client_is_told() -> Outcome {
    let (mut server, mut client) = pair(&TLS13, PIPE).await?;
    // A record of application data that no key made.
    let mut forged = vec![23, 3, 3, 0, 40];
    forged.extend_from_slice(&[7; 40]);
    client.get_mut().0.write_all(&forged).await?;
    let failure = server.read(&mut [0; 8]).await.err().ok_or("it was read")?;
    assert_eq!(failure.kind(), ErrorKind::InvalidData);
    assert!(server.read(&mut [0; 8]).await.is_err(), "it stays broken");
    let told = client.read(&mut [0; 8]).await.err().ok_or("nothing was told")?;
    assert!(told.to_string().contains("BadRecordMac"), "{told}");
    Ok(())
}

/// A message of the handshake of nearly 64 KiB, in as many records as it has bytes: six times as
/// much, were all of it kept until it is whole.
#[tokio::test]
async fn a_message_in_too_many_records_is_refused() -> Outcome {
    let (near, mut far) = duplex(PIPE);
    let config = LoopbackTls::new()?.server_config()?;
    let sending = tokio::spawn(async move {
        let message = [1, 0, 0xff, 0xf0].into_iter().chain(std::iter::repeat(0));
        for byte in message.take(0xfff0) {
            // Until the server goes.
            if far.write_all(&[22, 3, 1, 0, 1, byte]).await.is_err() {
                return;
            }
        }
    });
    let refused = TlsStream::accept(near, config).await.err().ok_or("it was accepted")?;
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    sending.await?;
    Ok(())
}

#[test]
fn a_handshake_that_ends_early_is_an_error() -> Outcome {
    run(async {
        let (near, far) = duplex(PIPE);
        drop(far);
        let config = LoopbackTls::new()?.server_config()?;
        let refused = TlsStream::accept(near, config).await.err().map(|failure| failure.kind());
        assert_eq!(refused, Some(ErrorKind::UnexpectedEof));
        Ok(())
    })
}
