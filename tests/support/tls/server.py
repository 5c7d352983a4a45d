"""A TLS server whose certificate nobody vouches for. It prints its port, and then what clients say that trust it."""
import os, socket, ssl, sys, threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
# It ends with whoever has started it.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    client, _ = listener.accept()
    try:
        client.settimeout(5)
        with context.wrap_socket(client, server_side=True) as tls:
            said = tls.recv(65536)
            # Who does not trust it may leave after the handshake, without a word.
            print("heard" if said else "refused", said, flush=True)
    except OSError as error:
        print("refused", error, flush=True)
