/* SPDX-License-Identifier: MIT
 *
 * The peer `glib`: GSocketConnection on both sides. Its socket is read and written without blocking
 * when a source of its descriptor says that it can be, which costs less than the tasks of the
 * streams' _async functions, and than their pollable sources.
 */
#include "../bench_loop.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>

struct conn {
    GSocketConnection *connection;
    GSocket *socket;              /* the connection's */
    GSource *readable, *writable; /* writable: null while nothing waits for room */
    struct bench_conn *end;
};

static GMainLoop *loop;
static GSocketListener *listener;
static struct bench *bench;

static void check(const char *what, GError *error)
{
    if (error == NULL)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, error->message);
    exit(1);
}

static void peer_open(struct bench *b)
{
    bench = b;
    loop = g_main_loop_new(NULL, FALSE);
}

static void peer_shut(struct bench *b)
{
    (void)b;
    if (listener != NULL) {
        g_socket_listener_close(listener);
        g_object_unref(listener);
    }
    g_main_loop_unref(loop);
}

static void source_end(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    struct conn *conn = end->peer;
    (void)b;
    source_end(&conn->readable);
    source_end(&conn->writable);
    g_io_stream_close(G_IO_STREAM(conn->connection), NULL, NULL);
    g_object_unref(conn->connection);
    g_free(conn);
    end->peer = NULL;
}

static gboolean conn_readable(gint fd, GIOCondition condition, gpointer context)
{
    struct conn *conn = context;
    struct bench_conn *end = conn->end;
    GError *error = NULL;
    (void)fd;
    (void)condition;
    gssize part = g_socket_receive_with_blocking(conn->socket, (gchar *)bench->buffer, BENCH_BLOCK,
                                                 FALSE, NULL, &error);
    if (part < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        g_error_free(error);
        return G_SOURCE_CONTINUE;
    }
    check("read", error);
    if (part > 0) {
        bench_data(bench, end, bench->buffer, (size_t)part);
        return G_SOURCE_CONTINUE;
    }
    bench_need(bench->served_here, "the server has gone");
    peer_close(bench, end);
    bench_closed(bench, end);
    return G_SOURCE_REMOVE;
}

static gboolean conn_writable(gint fd, GIOCondition condition, gpointer context)
{
    struct conn *conn = context;
    (void)fd;
    (void)condition;
    if (bench_writable(bench, conn->end))
        return G_SOURCE_CONTINUE;
    source_end(&conn->writable);
    return G_SOURCE_REMOVE;
}

static void conn_make(GSocketConnection *connection, struct bench_conn *end)
{
    struct conn *conn = g_new0(struct conn, 1);
    conn->connection = connection;
    conn->end = end;
    conn->socket = g_socket_connection_get_socket(connection);
    conn->readable = g_unix_fd_source_new(g_socket_get_fd(conn->socket), G_IO_IN);
    g_source_set_callback(conn->readable, G_SOURCE_FUNC(conn_readable), conn, NULL);
    g_source_attach(conn->readable, NULL);
    end->peer = conn;
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    struct conn *conn = end->peer;
    GError *error = NULL;
    (void)b;
    gssize part = g_socket_send_with_blocking(conn->socket, data, size, FALSE, NULL, &error);
    if (part < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        g_clear_error(&error);
        part = 0;
    }
    check("write", error);
    if ((size_t)part < size && conn->writable == NULL) {
        conn->writable = g_unix_fd_source_new(g_socket_get_fd(conn->socket), G_IO_OUT);
        g_source_set_callback(conn->writable, G_SOURCE_FUNC(conn_writable), conn, NULL);
        g_source_attach(conn->writable, NULL);
    }
    return (size_t)part;
}

static void conn_accepted(GObject *object, GAsyncResult *result, gpointer context)
{
    GError *error = NULL;
    GSocketConnection *connection = g_socket_listener_accept_finish(listener, result, NULL, &error);
    (void)object;
    (void)context;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_error_free(error);
        return;
    }
    check("accept", error);
    conn_make(connection, bench_accepted(bench));
    g_socket_listener_accept_async(listener, NULL, conn_accepted, NULL);
}

static void peer_listen(struct bench *b)
{
    GError *error = NULL;
    GSocketAddress *address = g_unix_socket_address_new(b->path);
    listener = g_socket_listener_new();
    g_socket_listener_set_backlog(listener, (int)BENCH_BACKLOG);
    g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, &error);
    check("listen", error);
    g_object_unref(address);
    g_socket_listener_accept_async(listener, NULL, conn_accepted, NULL);
}

static void conn_connected(GObject *client, GAsyncResult *result, gpointer context)
{
    struct bench_conn *end = context;
    GError *error = NULL;
    GSocketConnection *connection =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &error);
    check("connect", error);
    conn_make(connection, end);
    bench_opened(bench, end);
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    static GSocketClient *client;
    GSocketAddress *address = g_unix_socket_address_new(b->path);
    if (client == NULL)
        client = g_socket_client_new();
    g_socket_client_connect_async(client, G_SOCKET_CONNECTABLE(address), NULL, conn_connected, end);
    g_object_unref(address);
}

static void peer_run(struct bench *b)
{
    (void)b;
    g_main_loop_run(loop);
}

static void peer_stop(struct bench *b)
{
    (void)b;
    g_main_loop_quit(loop);
}

int main(int argc, char **argv)
{
    char version[32];
    snprintf(version, sizeof version, "%u.%u.%u", glib_major_version, glib_minor_version,
             glib_micro_version);
    return bench_loop_main("glib", version, argc, argv);
}
