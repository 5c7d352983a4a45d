"""TLS in front of a server without it. `relay.py CERTIFICATE KEY PORT` prints its own port, and a line for each client."""
import os, socket, ssl, sys, threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
# It ends with whoever has started it.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client):
    try:
        tls = context.wrap_socket(client, server_side=True)
        server = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    except OSError as error:
        print("refused", error, flush=True)
        return
    print("trusted", flush=True)
    threading.Thread(target=pump, args=(server, tls), daemon=True).start()
    pump(tls, server)


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
