/* SPDX-License-Identifier: MIT
 *
 * The peer `qt6`: QLocalServer and QLocalSocket. What is written waits in the socket's buffer until
 * the loop runs, so that Qt gathers it.
 */
#include "../bench_loop.h"

#include <QCoreApplication>
#include <QLocalServer>
#include <QLocalSocket>
#include <memory>

namespace
{

struct Loop {
    int argc = 1;
    char name[8] = "bench";
    char *argv[2] = {name, nullptr};
    QCoreApplication application{argc, argv};
    std::unique_ptr<QLocalServer> server;
};

Loop &loop_of(const struct bench *b)
{
    return *static_cast<Loop *>(b->loop);
}

QLocalSocket *socket_of(const struct bench_conn *end)
{
    return static_cast<QLocalSocket *>(end->peer);
}

void readable(struct bench *b, struct bench_conn *end, QLocalSocket *socket)
{
    while (end->peer == socket && socket->bytesAvailable() > 0) {
        qint64 part = socket->read(reinterpret_cast<char *>(b->buffer), BENCH_BLOCK);
        bench_need(part > 0, "read");
        bench_data(b, end, b->buffer, static_cast<size_t>(part));
    }
}

/* Reading and the end; what else may happen is an error. */
void watch(struct bench *b, struct bench_conn *end, QLocalSocket *socket)
{
    end->peer = socket;
    QObject::connect(socket, &QLocalSocket::readyRead, socket,
                     [b, end, socket] { readable(b, end, socket); });
    QObject::connect(socket, &QLocalSocket::bytesWritten, socket, [b, end, socket] {
        if (end->peer == socket && socket->bytesToWrite() <= static_cast<qint64>(BENCH_BLOCK))
            bench_writable(b, end);
    });
    QObject::connect(socket, &QLocalSocket::disconnected, socket, [b, end, socket] {
        if (end->peer != socket)
            return;
        bench_need(b->served_here, "the server has gone");
        peer_close(b, end);
        bench_closed(b, end);
    });
}

} // namespace

static void peer_open(struct bench *b)
{
    b->loop = new Loop;
}

static void peer_shut(struct bench *b)
{
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    delete &loop_of(b);
}

static void peer_listen(struct bench *b)
{
    Loop &loop = loop_of(b);
    loop.server = std::make_unique<QLocalServer>();
    QLocalServer *server = loop.server.get();
    server->setMaxPendingConnections(static_cast<int>(BENCH_BACKLOG));
    server->setListenBacklogSize(static_cast<int>(BENCH_BACKLOG));
    QObject::connect(server, &QLocalServer::newConnection, server, [b, server] {
        while (QLocalSocket *socket = server->nextPendingConnection())
            watch(b, bench_accepted(b), socket);
    });
    bench_need(server->listen(QString::fromUtf8(b->path)), "listen");
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    auto *socket = new QLocalSocket;
    watch(b, end, socket);
    QObject::connect(socket, &QLocalSocket::connected, socket, [b, end] { bench_opened(b, end); });
    socket->connectToServer(QString::fromUtf8(b->path));
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    QLocalSocket *socket = socket_of(end);
    if (socket->bytesToWrite() > static_cast<qint64>(bench_high_water(b)))
        return 0;
    bench_need(socket->write(static_cast<const char *>(data), static_cast<qint64>(size)) ==
                   static_cast<qint64>(size),
               "write");
    return size;
}

/* It may be the sender of the signal that is being handled, so it goes later. */
static void peer_close(struct bench *b, struct bench_conn *end)
{
    QLocalSocket *socket = socket_of(end);
    (void)b;
    end->peer = nullptr;
    socket->abort();
    socket->deleteLater();
}

static void peer_run(struct bench *b)
{
    (void)b;
    QCoreApplication::exec();
}

static void peer_stop(struct bench *b)
{
    (void)b;
    QCoreApplication::quit();
}

int main(int argc, char **argv)
{
    return bench_loop_main("qt6", qVersion(), argc, argv);
}
