/** Begins the page. */
import './style.css';
import { App } from './App.tsx';
import { start } from './live.ts';
import { render } from './preact.ts';

const page = document.getElementById('page');
if (page) render(<App />, page);
start();
