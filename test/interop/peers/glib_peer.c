/* SPDX-License-Identifier: MIT
 *
 * A GSocketClient and a GSocketService that know nothing of leat: streams, spliced.
 *
 * usage: glib_peer client|echo|reverse PATH
 *   client   sends standard input and half-closes; what comes goes to standard output
 *   echo     serves one client: gives back what comes, until the client ends
 *   reverse  serves one client: reads all until its half-close, and answers with that, reversed
 */
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gprintf.h>
#include <unistd.h>

struct peer {
    GMainLoop *loop;
    GSocketConnection *connection;
    gboolean reverse;
    int left; /* directions that have not ended */
    int code;
};

static void peer_check(struct peer *peer, GError *error)
{
    if (error != NULL) {
        g_fprintf(stderr, "glib_peer: %s\n", error->message);
        g_error_free(error);
        peer->code = 1;
        g_main_loop_quit(peer->loop);
    }
}

static void direction_ended(struct peer *peer)
{
    peer->left--;
    if (peer->left == 0) {
        g_main_loop_quit(peer->loop);
    }
}

static void sent(GObject *source, GAsyncResult *result, gpointer user_data)
{
    struct peer *peer = user_data;
    GError *error = NULL;

    if (g_output_stream_splice_finish(G_OUTPUT_STREAM(source), result, &error) >= 0) {
        GSocket *socket = g_socket_connection_get_socket(peer->connection);
        g_socket_shutdown(socket, FALSE, TRUE, &error);
    }
    peer_check(peer, error);
    direction_ended(peer);
}

static void received(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;

    g_output_stream_splice_finish(G_OUTPUT_STREAM(source), result, &error);
    peer_check(user_data, error);
    direction_ended(user_data);
}

static void client(struct peer *peer, GSocketConnectable *address)
{
    GSocketClient *client = g_socket_client_new();
    GInputStream *input = g_unix_input_stream_new(STDIN_FILENO, FALSE);
    GOutputStream *output = g_unix_output_stream_new(STDOUT_FILENO, FALSE);
    GError *error = NULL;

    peer->connection = g_socket_client_connect(client, address, NULL, &error);
    peer_check(peer, error);
    if (peer->connection != NULL) {
        GIOStream *stream = G_IO_STREAM(peer->connection);
        peer->left = 2;
        g_output_stream_splice_async(g_io_stream_get_output_stream(stream), input,
                                     G_OUTPUT_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, NULL, sent,
                                     peer);
        g_output_stream_splice_async(output, g_io_stream_get_input_stream(stream),
                                     G_OUTPUT_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, NULL,
                                     received, peer);
        g_main_loop_run(peer->loop);
        g_object_unref(peer->connection);
    }
    g_object_unref(output);
    g_object_unref(input);
    g_object_unref(client);
}

static void reverse(GInputStream *input, GOutputStream *output, GError **error)
{
    GOutputStream *question = g_memory_output_stream_new_resizable();

    if (g_output_stream_splice(question, input, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, error) >=
        0) {
        GBytes *bytes = g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(question));
        gsize size;
        guint8 *data = g_bytes_unref_to_data(bytes, &size);
        for (gsize at = 0; at < size / 2; at++) {
            const guint8 byte = data[at];
            data[at] = data[size - 1 - at];
            data[size - 1 - at] = byte;
        }
        g_output_stream_write_all(output, data, size, NULL, NULL, error);
        g_free(data);
    }
    g_object_unref(question);
}

/* In a thread of its own, where calls may wait. */
static gboolean serve_one(GThreadedSocketService *service, GSocketConnection *connection,
                          GObject *source, gpointer user_data)
{
    struct peer *peer = user_data;
    GInputStream *input = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    GError *error = NULL;

    (void)service;
    (void)source;
    if (peer->reverse) {
        reverse(input, output, &error);
    } else {
        g_output_stream_splice(output, input, G_OUTPUT_STREAM_SPLICE_NONE, NULL, &error);
    }
    if (error == NULL) {
        g_io_stream_close(G_IO_STREAM(connection), NULL, &error);
    }
    peer_check(peer, error);
    g_main_loop_quit(peer->loop);
    return TRUE;
}

static void server(struct peer *peer, GSocketAddress *address)
{
    GSocketService *service = g_threaded_socket_service_new(1);
    GError *error = NULL;

    g_signal_connect(service, "run", G_CALLBACK(serve_one), peer);
    if (g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM,
                                      G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error)) {
        g_main_loop_run(peer->loop);
    }
    peer_check(peer, error);
    g_socket_service_stop(service);
    g_object_unref(service);
}

int main(int count, char **words)
{
    if (count != 3) {
        g_fprintf(stderr, "usage: glib_peer client|echo|reverse PATH\n");
        return 2;
    }
    struct peer peer = {.loop = g_main_loop_new(NULL, FALSE)};
    GSocketAddress *address = g_unix_socket_address_new(words[2]);
    peer.reverse = g_str_equal(words[1], "reverse");
    if (g_str_equal(words[1], "client")) {
        client(&peer, G_SOCKET_CONNECTABLE(address));
    } else {
        server(&peer, address);
    }
    g_object_unref(address);
    g_main_loop_unref(peer.loop);
    return peer.code;
}
