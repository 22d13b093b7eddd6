#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Perl's IO::Socket::UNIX, which knows nothing of leat.
#
# usage: perl_peer.pl client|echo|reverse PATH
#   client   sends standard input and half-closes; what comes goes to standard output
#   echo     serves one client: gives back what comes, until the client ends
#   reverse  serves one client: reads all until its half-close, and answers with that, reversed
use strict;
use warnings;
use IO::Handle;
use IO::Socket::UNIX;
use Socket qw(SHUT_WR SOCK_STREAM);

my $PART_BYTES = 65536;

sub copy {
    my ($from, $to) = @_;
    $to->autoflush(1);
    while (1) {
        my $size = sysread($from, my $part, $PART_BYTES);
        die "read: $!\n" unless defined $size;
        last if $size == 0;
        print {$to} $part or die "write: $!\n";
    }
}

# A child sends while we read.
sub client {
    my ($path) = @_;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path)
        or die "connect: $!\n";
    my $child = fork() // die "fork: $!\n";
    if ($child == 0) {
        copy(\*STDIN, $socket);
        $socket->shutdown(SHUT_WR) or die "shutdown: $!\n";
        exit 0;
    }
    copy($socket, \*STDOUT);
    waitpid($child, 0);
    exit($? == 0 ? 0 : 1);
}

sub serve {
    my ($path, $reverse) = @_;
    my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 1)
        or die "listen: $!\n";
    my $socket = $listener->accept() or die "accept: $!\n";
    if ($reverse) {
        local $/;
        my $question = <$socket>;
        print {$socket} scalar reverse($question) or die "write: $!\n";
        $socket->flush() or die "write: $!\n";
    } else {
        copy($socket, $socket);
    }
    close($socket) or die "close: $!\n";
}

my ($mode, $path) = @ARGV;
if ($mode eq 'client') { client($path) } else { serve($path, $mode eq 'reverse') }
