// SPDX-License-Identifier: MIT
//
// A QLocalServer and a QLocalSocket that know nothing of leat: signals and slots, Qt's own buffers.
//
// usage: qt_peer client|echo|say|where NAME [--abstract | --user]
//   client  copies standard input to the server, and what comes to standard output
//   echo    serves one client: gives back what comes, until the client ends
//   say     serves one client: sends it standard input, and ends
//   where   listens, prints the path of that, and ends
//
// NAME is what QLocalServer::listen and QLocalSocket::connectToServer take: a path, or a name that
// Qt puts where it likes. A QLocalSocket has no half-close, so its end of input is its end.
#include <QCoreApplication>
#include <QFile>
#include <QLocalServer>
#include <QLocalSocket>
#include <QSocketNotifier>
#include <QTextStream>
#include <unistd.h>

static int failed = 0;

// Also before the event loop runs, when it would forget a call of quit.
static void fail(const QString &what)
{
    QTextStream(stderr) << "qt_peer: " << what << Qt::endl;
    failed = 1;
    QMetaObject::invokeMethod(qApp, &QCoreApplication::quit, Qt::QueuedConnection);
}

static void ends_with(QLocalSocket *socket)
{
    QObject::connect(socket, &QLocalSocket::disconnected, qApp, &QCoreApplication::quit);
    QObject::connect(socket, &QLocalSocket::errorOccurred, [socket](auto error) {
        if (error != QLocalSocket::PeerClosedError)
            fail(socket->errorString());
    });
}

static void client(const QString &name, QLocalSocket::SocketOptions options)
{
    auto *socket = new QLocalSocket(qApp);
    socket->setSocketOptions(options);
    ends_with(socket);

    auto *output = new QFile(qApp);
    if (!output->open(stdout, QIODevice::WriteOnly))
        fail(output->errorString());
    QObject::connect(socket, &QLocalSocket::readyRead, [socket, output] {
        output->write(socket->readAll());
        output->flush();
    });

    QObject::connect(socket, &QLocalSocket::connected, [socket] {
        auto *input = new QSocketNotifier(STDIN_FILENO, QSocketNotifier::Read, socket);
        QObject::connect(input, &QSocketNotifier::activated, [socket, input] {
            QByteArray part(65536, Qt::Uninitialized);
            const qint64 size = ::read(STDIN_FILENO, part.data(), part.size());
            if (size > 0) {
                socket->write(part.constData(), size);
                return;
            }
            input->setEnabled(false);
            socket->disconnectFromServer(); // after all of it was written
        });
    });
    socket->connectToServer(name);
}

static void echo(QLocalSocket *socket)
{
    QObject::connect(socket, &QLocalSocket::readyRead,
                     [socket] { socket->write(socket->readAll()); });
}

static void say(QLocalSocket *socket)
{
    QFile input;
    if (!input.open(stdin, QIODevice::ReadOnly))
        fail(input.errorString());
    socket->write(input.readAll());
    socket->disconnectFromServer();
}

static void serve(const QString &name, QLocalServer::SocketOptions options,
                  void (*talk)(QLocalSocket *))
{
    auto *server = new QLocalServer(qApp);
    server->setSocketOptions(options);
    if (!server->listen(name))
        fail(server->errorString());
    QObject::connect(server, &QLocalServer::newConnection, [server, talk] {
        QLocalSocket *socket = server->nextPendingConnection();
        server->close();
        ends_with(socket);
        talk(socket);
    });
}

static int where(const QString &name)
{
    QLocalServer server;
    if (!server.listen(name)) {
        QTextStream(stderr) << "qt_peer: " << server.errorString() << Qt::endl;
        return 1;
    }
    QTextStream(stdout) << server.fullServerName() << Qt::endl;
    return 0;
}

int main(int count, char **words)
{
    QCoreApplication app(count, words);
    const QStringList arguments = app.arguments();
    if (arguments.size() < 3) {
        QTextStream(stderr) << "usage: qt_peer client|echo|say|where NAME [--abstract | --user]" << Qt::endl;
        return 2;
    }
    const QString mode = arguments[1], name = arguments[2];
    if (mode == "where")
        return where(name);
    const bool abstract = arguments.contains("--abstract");
    if (mode == "client") {
        client(name, abstract ? QLocalSocket::AbstractNamespaceOption : QLocalSocket::NoOptions);
        return app.exec() | failed;
    }
    QLocalServer::SocketOptions options = QLocalServer::NoOptions;
    if (abstract)
        options = QLocalServer::AbstractNamespaceOption;
    else if (arguments.contains("--user"))
        options = QLocalServer::UserAccessOption;
    serve(name, options, mode == "echo" ? echo : say);
    return app.exec() | failed;
}
