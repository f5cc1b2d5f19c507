<?php
// Receives webhooks of Generation Service, with PHP 8.1 or newer and nothing else.
//
//   SHARED_KEY=… php -S 127.0.0.1:8002 receiver.php      (or behind your web server, by PHP-FPM)
//   SHARED_KEY=… php receiver.php                        works what has come; run it from cron
//
// A delivery is verified, kept in the folder INBOX ("inbox") under its webhook-id and answered,
// within milliseconds; the work is done by another process, from what lies there. So a slow job of
// yours never makes an attempt fail, a crash loses nothing, and what comes twice is worked once.

declare(strict_types=1);

const MAX_BYTES = 8_000_000;
const TOLERANCE_SECONDS = 300;

function setting(string $name): string
{
    return (string) getenv($name);
}

function folder(): string
{
    return setting('INBOX') ?: 'inbox';
}

// whsec_ and base64; unless the operator has given you one, it is made of the key.
function standard_key(): string
{
    $secret = setting('WEBHOOK_SECRET');
    return $secret === '' ? setting('SHARED_KEY') : base64_decode(substr($secret, strlen('whsec_')));
}

// A header of the request, whose name PHP writes as HTTP_X_SIGNATURE.
function header_of(string $name): string
{
    return (string) ($_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '');
}

// Both signatures must be right, over the bytes as they came, and the time recent.
function is_genuine(string $body): bool
{
    $digest = 'sha256=' . hash_hmac('sha256', $body, setting('SHARED_KEY'));
    if (setting('SHARED_KEY') === '' || !hash_equals($digest, header_of('X-Signature'))) {
        return false;
    }
    $sent = header_of('webhook-timestamp');
    if (!preg_match('/^[0-9]{1,12}$/D', $sent) || abs(time() - (int) $sent) > TOLERANCE_SECONDS) {
        return false;
    }
    $message = header_of('webhook-id') . ".$sent.$body";
    $signature = 'v1,' . base64_encode(hash_hmac('sha256', $message, standard_key(), true));
    foreach (explode(' ', header_of('webhook-signature')) as $presented) {
        if (hash_equals($signature, $presented)) {
            return true;
        }
    }
    return false;
}

// Stores a delivery whole or not at all; false if it came before.
function keep(string $id, string $body): bool
{
    $partial = tempnam(folder(), 'part-');
    $file = fopen($partial, 'wb');
    $whole = fwrite($file, $body) === strlen($body) && fflush($file) && fsync($file);
    fclose($file);
    $kept = folder() . "/$id.json";
    $new = $whole && @link($partial, $kept); // fails where there is one already
    unlink($partial);
    if (!$new && !is_file($kept)) {
        throw new RuntimeException('the delivery could not be kept');
    }
    return $new;
}

// 200 for what is kept; everything else makes the service try again.
function receive(): array
{
    $body = (string) file_get_contents('php://input', false, null, 0, MAX_BYTES + 1);
    if ($_SERVER['REQUEST_METHOD'] !== 'POST' || strlen($body) > MAX_BYTES) {
        return [413, 'not a webhook'];
    }
    $id = header_of('webhook-id'); // it becomes the name of a file
    if (!is_genuine($body) || !preg_match('/^[A-Za-z0-9_-]{1,64}$/D', $id)) {
        return [403, 'not genuine'];
    }
    return [200, keep($id, $body) ? 'kept' : 'kept before'];
}

// Do your part of the work, at its own pace; a .done file marks what needs no more.
function work(): void
{
    foreach (glob(folder() . '/*.json') as $kept) {
        $done = preg_replace('/json$/', 'done', $kept);
        if (!is_file($done)) {
            handle(json_decode(file_get_contents($kept), true, 512, JSON_THROW_ON_ERROR));
            touch($done);
        }
    }
}

// Put your own work here. After a crash it is called again for the same delivery.
function handle(array $delivery): void
{
    foreach ($delivery['lots'] as $lot) {
        echo "{$delivery['job_id']} {$lot['lot_id']} {$lot['status']}\n";
    }
}

if (!is_dir(folder())) {
    mkdir(folder(), 0700, true);
}
if (PHP_SAPI === 'cli') {
    work();
} else {
    [$status, $text] = receive();
    http_response_code($status);
    echo $text;
}
