import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bypasses, proxyFor } from '../../src/target/proxy.ts';

test('the proxy is that of the scheme, in either case, with http where no scheme stands', () => {
  assert.equal(proxyFor('https://kube.test', { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:1' }), 'http://p:1');
  assert.equal(proxyFor('https://kube.test', { HTTPS_PROXY: '', https_proxy: 'q:1' }), 'http://q:1');
  assert.equal(proxyFor('https://kube.test', { HTTP_PROXY: 'http://p:1' }), undefined);
  assert.equal(proxyFor('http://kube.test', { HTTP_PROXY: 'http://p:1' }), 'http://p:1');
  assert.equal(proxyFor('https://kube.test', { https_proxy: 'http://p:1', no_proxy: 'kube.test' }), undefined);
  assert.equal(proxyFor('https://127.0.0.1:6443', { HTTPS_PROXY: 'http://p:1' }), undefined);
});

test('NO_PROXY as kubectl reads it', () => {
  const cases: [server: string, noProxy: string, direct: boolean][] = [
    ['https://a.b.test', '*', true],
    ['https://a.b.test', 'other.test, b.test', true],
    ['https://ab.test', 'b.test', false],
    ['https://b.test', 'b.test', true],
    ['https://b.test', '.b.test', false],
    ['https://a.b.test', '.b.test', true],
    ['https://a.b.test', '*.b.test', true],
    ['https://b.test', '*.b.test', false],
    ['https://A.B.test', 'b.TEST', true],
    ['https://b.test:6443', 'b.test:6443', true],
    ['https://b.test', 'b.test:443', true],
    ['https://b.test', 'b.test:6443', false],
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://10.1.2.3', '10.1.2.3', true],
    ['https://10.1.2.3:6443', '10.1.2.3:6443', true],
    ['https://10.1.2.3:443', '10.1.2.3:6443', false],
    ['https://10.1.2.30', '10.1.2.3', false],
    ['https://10.1.2.3', '2.3', false],
    ['https://[fd00::1]:6443', 'fd00::/8', true],
    ['https://[fd00::1]:6443', '[fd00::1]:6443', true],
    ['https://[fd00::1]', '10.0.0.0/8', false],
    ['https://localhost:6443', '', true],
    ['https://127.8.8.8', '', true],
    ['https://[::1]', '', true],
    ['https://b.test', '', false],
    ['https://b.test', ' , ,', false],
  ];
  for (const [server, noProxy, direct] of cases) {
    assert.equal(bypasses(new URL(server), noProxy), direct, `${server} with NO_PROXY=${noProxy}`);
  }
});
