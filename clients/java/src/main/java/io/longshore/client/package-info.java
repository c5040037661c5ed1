/**
 * The client of longshored: jobs on disk images, volumes, domains and networks.
 *
 * <p>Messages are the generated ones of {@code io.longshore.v1}, whose comments are the
 * manual of every field. What this package adds: an address and credentials from the
 * environment, deadlines, retries where they are safe, errors by their reason, lists
 * without pages, and watches that go on by themselves.
 */
package io.longshore.client;
