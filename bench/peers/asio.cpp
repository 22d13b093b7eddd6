/* SPDX-License-Identifier: MIT
 *
 * The peer `asio` (Boost.Asio): one io_context, sockets of which async_wait says that they can be
 * read or written; then they are, without blocking. This needs no buffer for each connection, and
 * fewer calls than async_read_some, which tries to read before anything can be there.
 */
#include "../bench_loop.h"

#include <boost/asio.hpp>
#include <memory>

using boost::asio::local::stream_protocol;
using boost::system::error_code;

namespace
{

struct Conn {
    stream_protocol::socket socket;
    struct bench_conn *end;
    bool waits; /* for room */

    Conn(stream_protocol::socket made, struct bench_conn *its_end)
        : socket(std::move(made)), end(its_end), waits(false)
    {
        socket.non_blocking(true);
        end->peer = this;
    }
};

struct Loop {
    boost::asio::io_context context{1}; /* one thread */
    std::unique_ptr<stream_protocol::acceptor> acceptor;
};

Loop &loop_of(const struct bench *b)
{
    return *static_cast<Loop *>(b->loop);
}

Conn *conn_of(const struct bench_conn *end)
{
    return static_cast<Conn *>(end->peer);
}

void check(const char *what, const error_code &error)
{
    if (!error)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, error.message().c_str());
    exit(1);
}

void conn_read(struct bench *b, Conn *conn);

void conn_readable(struct bench *b, Conn *conn)
{
    struct bench_conn *end = conn->end;
    error_code error;
    size_t part = conn->socket.read_some(
        boost::asio::buffer(b->buffer, static_cast<size_t>(BENCH_BLOCK)), error);
    if (error == boost::asio::error::eof && b->served_here) {
        peer_close(b, end);
        bench_closed(b, end);
        return;
    }
    if (error != boost::asio::error::would_block) {
        check("read", error);
        bench_data(b, end, b->buffer, part);
    }
    if (end->peer == conn) /* it may have been closed */
        conn_read(b, conn);
}

void conn_read(struct bench *b, Conn *conn)
{
    conn->socket.async_wait(stream_protocol::socket::wait_read, [b, conn](const error_code &error) {
        if (error == boost::asio::error::operation_aborted)
            return; /* closed, and gone */
        check("wait", error);
        conn_readable(b, conn);
    });
}

void conn_write(struct bench *b, Conn *conn)
{
    conn->waits = true;
    conn->socket.async_wait(stream_protocol::socket::wait_write,
                            [b, conn](const error_code &error) {
                                if (error == boost::asio::error::operation_aborted)
                                    return;
                                check("wait", error);
                                conn->waits = false;
                                bench_writable(b, conn->end);
                            });
}

void conn_accept(struct bench *b)
{
    Loop &loop = loop_of(b);
    loop.acceptor->async_accept([b](const error_code &error, stream_protocol::socket socket) {
        if (error == boost::asio::error::operation_aborted)
            return;
        check("accept", error);
        conn_read(b, new Conn(std::move(socket), bench_accepted(b)));
        conn_accept(b);
    });
}

} // namespace

static void peer_open(struct bench *b)
{
    b->loop = new Loop;
}

static void peer_shut(struct bench *b)
{
    delete &loop_of(b);
}

static void peer_listen(struct bench *b)
{
    Loop &loop = loop_of(b);
    loop.acceptor = std::make_unique<stream_protocol::acceptor>(loop.context);
    loop.acceptor->open();
    loop.acceptor->bind(stream_protocol::endpoint(b->path));
    loop.acceptor->listen(static_cast<int>(BENCH_BACKLOG));
    conn_accept(b);
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    auto *conn = new Conn(stream_protocol::socket(loop_of(b).context, stream_protocol()), end);
    conn->socket.async_connect(stream_protocol::endpoint(b->path),
                               [b, conn](const error_code &error) {
                                   check("connect", error);
                                   conn_read(b, conn);
                                   bench_opened(b, conn->end);
                               });
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    Conn *conn = conn_of(end);
    error_code error;
    size_t part = conn->socket.write_some(boost::asio::buffer(data, size), error);
    if (error == boost::asio::error::would_block)
        part = 0;
    else
        check("write", error);
    if (part < size && !conn->waits)
        conn_write(b, conn);
    return part;
}

/* What waits on the socket is told that it is over, and touches nothing then. */
static void peer_close(struct bench *b, struct bench_conn *end)
{
    (void)b;
    delete conn_of(end);
    end->peer = nullptr;
}

static void peer_run(struct bench *b)
{
    loop_of(b).context.run();
}

static void peer_stop(struct bench *b)
{
    loop_of(b).context.stop();
}

int main(int argc, char **argv)
{
    return bench_loop_main("asio", BOOST_LIB_VERSION, argc, argv);
}
